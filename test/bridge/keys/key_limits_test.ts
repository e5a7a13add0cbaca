import { test } from "uvu";
import * as assert from "uvu/assert";
import type { OwnLimits } from "../../../bridge/keys/grant.ts";
import { KeyLimiter, type KeyLimits, type KeyUse } from "../../../bridge/keys/key_limits.ts";
import { KennelError } from "../../../runtime/errors.ts";

const NONE: KeyLimits = { ratePerSecond: 0, burst: 0, maxConcurrent: 0 };
const own = (changes: Partial<OwnLimits>): OwnLimits => ({ rate_per_second: null, burst: null, max_concurrent: null, ...changes });

function rig(defaults: KeyLimits = NONE) {
  const refused: string[] = [];
  const limiter = new KeyLimiter(defaults, (keyId, kind) => refused.push(`${keyId} ${kind}`));
  /** What entering says: a use, or milliseconds to come back. */
  const enter = (keyId: string, limits: OwnLimits | null, nowMs: number): KeyUse | null | number => {
    try {
      return limiter.enter({ keyId, limits }, nowMs);
    } catch (thrown) {
      assert.instance(thrown, KennelError);
      assert.equal([(thrown as KennelError).code, (thrown as KennelError).param], ["overloaded", "Authorization"]);
      return (thrown as KennelError).retryAfterMs ?? -1;
    }
  };
  return { enter, refused };
}

test("Each key has a rate of its own; beyond it it is told when to come again", () => {
  const { enter, refused } = rig();
  const limits = own({ rate_per_second: 2, burst: 1 });
  assert.type(enter("a", limits, 0), "object");
  assert.is(enter("a", limits, 0), 500);
  assert.type(enter("b", limits, 0), "object", "another key's bucket is full");
  assert.is(enter("a", limits, 400), 100);
  assert.type(enter("a", limits, 500), "object");
  assert.equal(refused, ["a rate", "a rate"]);
});

test("Requests under way are bounded, and one that ends makes room", () => {
  const { enter } = rig();
  const limits = own({ max_concurrent: 2 });
  const first = enter("a", limits, 0) as KeyUse;
  enter("a", limits, 0);
  assert.is(enter("a", limits, 0), 1_000);
  first.leave();
  assert.type(enter("a", limits, 0), "object");
  assert.is(enter("a", limits, 0), 1_000);
});

test("A request refused for its number under way costs no token of the rate", () => {
  const { enter } = rig();
  const limits = own({ max_concurrent: 1, rate_per_second: 1, burst: 2 });
  const first = enter("a", limits, 0) as KeyUse;
  for (let turn = 0; turn < 5; turn++) assert.is(enter("a", limits, 0), 1_000);
  first.leave();
  assert.type(enter("a", limits, 0), "object");
});

test("A key without limits of its own has the node's, and a 0 of its own lifts them", () => {
  const { enter } = rig({ ratePerSecond: 1, burst: 1, maxConcurrent: 1 });
  enter("a", null, 0);
  assert.is(enter("a", null, 0), 1_000);
  const lifted = own({ rate_per_second: 0, max_concurrent: 0 });
  for (let turn = 0; turn < 100; turn++) assert.type(enter("b", lifted, 0), "object");
  assert.is(rig().enter("a", null, 0), null, "where there are none nothing is remembered");
});

test("Limits that change while requests are under way count those that are", () => {
  const { enter } = rig();
  const first = enter("a", own({ max_concurrent: 5 }), 0) as KeyUse;
  const second = enter("a", own({ max_concurrent: 5 }), 0) as KeyUse;
  assert.is(enter("a", own({ max_concurrent: 2 }), 0), 1_000);
  first.leave();
  second.leave();
  const limits = own({ max_concurrent: 2 });
  assert.type(enter("a", limits, 0), "object");
  assert.type(enter("a", limits, 0), "object");
  assert.is(enter("a", limits, 0), 1_000);
});

test("A file that is read again and says the same gives no new burst", () => {
  const { enter } = rig();
  const limits = () => own({ rate_per_second: 1, burst: 1 });
  assert.type(enter("a", limits(), 0), "object");
  assert.is(enter("a", limits(), 0), 1_000);
});

test.run();
