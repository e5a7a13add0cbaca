import { suite } from "uvu";
import * as assert from "uvu/assert";
import { announceDrain, type DrainState, stepDrain } from "../../../cluster/drain/drain.ts";

const test = suite("drain");
const limits = { graceMs: 1_000, limitMs: 10_000 };
const quiet = { inFlight: 0, unsucceeded: 0, hasPeers: true };
const announced = announceDrain({ kind: "serving" }, 0);

test("A drain waits for its grace, for work in flight and for successors", () => {
  assert.is(stepDrain(announced, { ...quiet, nowMs: 900 }, limits).kind, "announced");
  assert.is(stepDrain(announced, { ...quiet, nowMs: 1_000, inFlight: 1 }, limits).kind, "announced");
  assert.is(stepDrain(announced, { ...quiet, nowMs: 1_000, unsucceeded: 1 }, limits).kind, "announced");
  assert.equal(stepDrain(announced, { ...quiet, nowMs: 1_000 }, limits), { kind: "left", isForced: false });
});

test("The last node of a cluster waits for no successor, and nobody waits beyond the limit", () => {
  assert.is(stepDrain(announced, { ...quiet, nowMs: 1_000, unsucceeded: 5, hasPeers: false }, limits).kind, "left");
  assert.equal(stepDrain(announced, { ...quiet, nowMs: 10_000, inFlight: 1 }, limits), { kind: "left", isForced: true });
});

test("A second word changes nothing", () => {
  const again: DrainState = announceDrain(announced, 500);
  assert.is(again, announced);
  const left: DrainState = { kind: "left", isForced: false };
  assert.is(announceDrain(left, 0), left);
  assert.is(stepDrain(left, { ...quiet, nowMs: 0 }, limits), left);
});

test.run();
