import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Slots } from "../../runtime/slots.ts";
import { watch } from "../support/supervision.ts";

const test = suite("slots");
const never = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("Slots let in as many as there are places, the others in the order in which they came", async () => {
  const slots = new Slots(2, 10);
  const first = await slots.take(never);
  await slots.take(never);
  const third = watch(slots.take(never));
  const fourth = watch(slots.take(never));
  await settle();
  assert.equal([third.result, fourth.result], [null, null]);
  first();
  first(); // giving back twice frees one place, not two
  await settle();
  assert.type(third.result, "function");
  assert.is(fourth.result, null);
});

test("Who stops waiting gives up their place in line", async () => {
  const slots = new Slots(1, 10);
  const release = await slots.take(never);
  const leaver = new AbortController();
  const left = watch(slots.take(leaver.signal));
  const next = watch(slots.take(never));
  leaver.abort();
  release();
  await settle();
  assert.is(left.result, "cancelled");
  assert.type(next.result, "function");
});

test("A full line refuses at once", async () => {
  const slots = new Slots(1, 1);
  await slots.take(never);
  void slots.take(never);
  const refused = watch(slots.take(never));
  await settle();
  assert.is(refused.result, "overloaded");
});

test("More places let the next ones in at once, fewer take none from those who are in", async () => {
  const slots = new Slots(1, 10);
  const first = await slots.take(never);
  const second = watch(slots.take(never));
  const third = watch(slots.take(never));
  slots.resize(2);
  await settle();
  assert.type(second.result, "function");
  assert.equal([third.result, slots.taken, slots.waiting], [null, 2, 1]);
  slots.resize(1);
  first();
  await settle();
  assert.equal([third.result, slots.taken], [null, 1], "there is one more than there may be no longer");
  (second.result as unknown as () => void)();
  await settle();
  assert.type(third.result, "function");
});

test.run();
