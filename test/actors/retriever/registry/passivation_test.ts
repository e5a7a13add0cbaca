import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { choosePassivations, type Tenant } from "../../../../actors/retriever/registry/passivation.ts";

const test = suite("passivation");

interface Named extends Tenant {
  readonly name: string;
}

const tenant = (name: string, over: Partial<Tenant> = {}): Named => ({ name, isPinned: false, lastUsedMs: 0, bytes: 10, load: 0, ...over });
const choose = (tenants: readonly Named[], limits = { idleMs: 100, maxBytes: 1_000 }, nowMs = 1_000) =>
  choosePassivations(tenants, limits, nowMs).map(({ tenant, reason }) => `${tenant.name} ${reason}`);

test("Who has been idle for long leaves, unless pinned or at work", () => {
  assert.equal(
    choose([
      tenant("idle", { lastUsedMs: 900 }),
      tenant("used", { lastUsedMs: 901 }),
      tenant("pinned", { isPinned: true }),
      tenant("busy", { load: 1 }),
    ]),
    ["idle idle"],
  );
});

test("Over the limit of bytes the least recently used leave until the rest fits, pinned ones last", () => {
  const tenants = [
    tenant("pinned", { isPinned: true, lastUsedMs: 950, bytes: 400 }),
    tenant("old", { lastUsedMs: 950, bytes: 400 }),
    tenant("new", { lastUsedMs: 990, bytes: 400 }),
  ];
  assert.equal(choose(tenants), ["old bytes"]);
  assert.equal(choose(tenants, { idleMs: 100, maxBytes: 300 }), ["old bytes", "new bytes", "pinned bytes"]);
});

test("Whoever stays fits, nobody leaves twice, and nobody leaves without need", () => {
  const any = fc.record({
    isPinned: fc.boolean(),
    lastUsedMs: fc.integer({ min: 0, max: 1_000 }),
    bytes: fc.integer({ min: 0, max: 500 }),
    load: fc.integer({ min: 0, max: 1 }),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 12 }), fc.nat({ max: 2_000 }), (drawn, maxBytes) => {
      const tenants = drawn.map((over, i) => tenant(`t${i}`, over));
      const leaving = choosePassivations(tenants, { idleMs: 500, maxBytes }, 1_000);
      assert.is(new Set(leaving.map(({ tenant }) => tenant)).size, leaving.length);
      const staying = tenants.filter((candidate) => !leaving.some(({ tenant }) => tenant === candidate));
      const sum = (list: readonly Tenant[]) => list.reduce((total, { bytes }) => total + bytes, 0);
      assert.ok(sum(staying) <= maxBytes);
      const forBytes = leaving.filter(({ reason }) => reason === "bytes").map(({ tenant }) => tenant);
      const last = forBytes.at(-1);
      if (last !== undefined) assert.ok(sum(staying) + last.bytes > maxBytes, "the last one had to leave, too");
    }),
  );
});

test.run();
