import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TokenBucket } from "../../runtime/token_bucket.ts";

test("A bucket lets a burst through, then one for each token that comes, and says when the next one comes", () => {
  const bucket = new TokenBucket(10, 3, 0);
  assert.equal([bucket.take(0), bucket.take(0), bucket.take(0)], [0, 0, 0]);
  assert.is(bucket.take(0), 100);
  assert.is(bucket.take(40), 60);
  assert.is(bucket.take(100), 0);
  assert.is(bucket.take(100), 100);
  assert.equal([bucket.take(100_000), bucket.take(100_000), bucket.take(100_000)], [0, 0, 0], "a pause fills it");
  assert.ok(bucket.take(100_000) > 0, "up to its burst and no further");
});

test("Whatever the times, no more gets through than burst and rate allow, and a clock that stands still gives nothing", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 20 }), steps, (rate, burst, pauses) => {
      const bucket = new TokenBucket(rate, burst, 0);
      let nowMs = 0;
      let taken = 0;
      for (const pauseMs of pauses) {
        nowMs += pauseMs;
        const waitMs = bucket.take(nowMs);
        if (waitMs === 0) taken += 1;
        else assert.ok(waitMs <= 1_000 / rate + 1e-6);
      }
      assert.ok(taken <= burst + (nowMs * rate) / 1_000 + 1e-6);
    }),
  );
});

test.run();
