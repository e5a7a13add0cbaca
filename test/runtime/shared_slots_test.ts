import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KennelError } from "../../runtime/errors.ts";
import { SharedSlots } from "../../runtime/shared_slots.ts";

const test = suite("shared slots");
const never = new AbortController().signal;
const settle = async () => {
  for (let round = 0; round < 10; round++) await Promise.resolve();
};

/** Tenants that take places and note who has entered. */
function startSlots(places: number, maxShare = 0.75, maxWaiting = 100) {
  const slots = new SharedSlots<string>({ places, maxShare, maxWaiting });
  const entered: string[] = [];
  const releases = new Map<string, (() => void)[]>();
  const take = (key: string, signal = never) =>
    slots.take(key, signal).then(
      (release) => {
        entered.push(key);
        releases.set(key, [...(releases.get(key) ?? []), release]);
      },
      (thrown: KennelError) => void entered.push(`${key} ${thrown.code}`),
    );
  const release = (key: string) => releases.get(key)?.shift()?.();
  const holds = (key: string) => releases.get(key)?.length ?? 0;
  return { slots, entered, take, release, holds };
}

test("One tenant gets its share and no more, and the next finds places free", async () => {
  const { slots, take, holds } = startSlots(8);
  for (let call = 0; call < 20; call++) void take("hot");
  await settle();
  assert.equal([holds("hot"), slots.stats.waiting], [6, 14]);
  await take("other");
  assert.is(holds("other"), 1);
});

test("A share of 1 gives one tenant all places", async () => {
  const { take, holds } = startSlots(8, 1);
  for (let call = 0; call < 20; call++) void take("hot");
  await settle();
  assert.is(holds("hot"), 8);
});

test("With one place alone, tenants take turns whatever each has waiting", async () => {
  const { entered, take, release } = startSlots(1);
  for (let call = 0; call < 3; call++) void take("hot");
  for (let call = 0; call < 2; call++) void take("other");
  await settle();
  for (let turn = 0; turn < 5; turn++) {
    release(entered.at(-1) as string);
    await settle();
  }
  assert.equal(entered, ["hot", "hot", "other", "hot", "other"]);
});

test("A tenant whose calls never end keeps no other from working", async () => {
  const { entered, take, release } = startSlots(4);
  for (let call = 0; call < 50; call++) void take("hung");
  for (let call = 0; call < 30; call++) {
    void take("well");
    await settle();
    release("well");
    await settle();
  }
  assert.is(entered.filter((key) => key === "well").length, 30);
  assert.is(entered.filter((key) => key === "hung").length, 3);
});

test("Too many of one tenant waiting is refused, of another not; who leaves the line makes room", async () => {
  const { slots, entered, take, release } = startSlots(1, 0.75, 1);
  const leaves = new AbortController();
  await take("a");
  void take("a", leaves.signal);
  await take("a");
  void take("b");
  await settle();
  assert.equal(entered, ["a", "a overloaded"]);
  leaves.abort(new KennelError("deadline_exceeded"));
  await settle();
  assert.is(entered.at(-1), "a deadline_exceeded");
  release("a");
  await settle();
  assert.is(entered.at(-1), "b");
  release("b");
  assert.equal(slots.stats, { places: 1, taken: 0, waiting: 0, tenants: 0, refused: 1 });
});

test("No more are taken than there are, none stays empty that someone may have, and nothing is left behind", async () => {
  const step = fc.record({ tenant: fc.constantFrom("a", "b", "c"), does: fc.constantFrom("take", "take", "release", "abort") });
  const shape = fc.record({ places: fc.integer({ min: 1, max: 6 }), maxShare: fc.constantFrom(0.1, 0.5, 0.75, 1) });
  await fc.assert(
    fc.asyncProperty(shape, fc.array(step, { maxLength: 60 }), async ({ places, maxShare }, steps) => {
      const slots = new SharedSlots<string>({ places, maxShare, maxWaiting: 1_000 });
      const held: { tenant: string; release: () => void }[] = [];
      const waiting = new Map<string, AbortController[]>();
      for (const { tenant, does } of steps) {
        if (does === "release") held.splice(0, 1)[0]?.release();
        else if (does === "abort") waiting.get(tenant)?.pop()?.abort();
        else {
          const controller = new AbortController();
          waiting.set(tenant, [...(waiting.get(tenant) ?? []), controller]);
          slots.take(tenant, controller.signal).then(
            (release) => {
              waiting.set(
                tenant,
                (waiting.get(tenant) ?? []).filter((other) => other !== controller),
              );
              held.push({ tenant, release });
            },
            () => {},
          );
        }
        await settle();
        const { taken, waiting: inLine } = slots.stats;
        assert.ok(taken === held.length && taken <= places);
        assert.ok(inLine === 0 || taken > 0, "with all places free nobody waits");
        const without = [...waiting].some(([key, line]) => line.length > 0 && held.every((one) => one.tenant !== key));
        assert.ok(!without || taken === places, "whoever holds none waits only while all are taken");
      }
      for (const line of waiting.values()) for (const controller of line) controller.abort();
      while (held.length > 0) held.shift()?.release();
      assert.is(slots.stats.tenants, 0);
    }),
  );
});

test.run();
