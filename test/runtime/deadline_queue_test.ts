import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Timer } from "../../runtime/clock.ts";
import { DeadlineQueue } from "../../runtime/deadline_queue.ts";
import { manualClock } from "../support/manual_clock.ts";

const test = suite("deadline queue");

test("Deadlines of one length share a timer, fire at their own moment, and leave no timer when all are over", async () => {
  const clock = manualClock();
  const queue = new DeadlineQueue(clock);
  const fired: [string, number][] = [];
  const set = (name: string) => queue.set(clock.monotonicMs(), 100, () => fired.push([name, clock.monotonicMs()]));
  set("first");
  await clock.advance(30);
  const cancelled = set("cancelled");
  await clock.advance(30);
  set("last");
  assert.is(clock.pendingTimers, 1);
  cancelled.cancel();
  await clock.advance(1_000);
  assert.equal(fired, [
    ["first", 100],
    ["last", 160],
  ]);
  assert.is(clock.pendingTimers, 0);
  cancelled.cancel();
  set("again");
  await clock.advance(100);
  assert.equal(fired.at(-1), ["again", 1_160]);
});

test("One that counts from an earlier start fires before those that were set before it", async () => {
  const clock = manualClock();
  const queue = new DeadlineQueue(clock);
  const fired: number[] = [];
  await clock.advance(50);
  queue.set(50, 100, () => fired.push(clock.monotonicMs()));
  queue.set(20, 100, () => fired.push(clock.monotonicMs()));
  queue.set(0, 20, () => fired.push(clock.monotonicMs())); // past already
  await clock.advance(200);
  assert.is(fired[0], 50);
  assert.is(fired[1], 150, "the lane's timer was set for the first of the two");
  assert.is(fired[2], 150);
});

test("Whatever is set and cancelled, each deadline left fires once, and never before its time", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          // More lengths than there are lanes, and some that many share.
          lengthMs: fc.oneof(fc.constantFrom(10, 50), fc.integer({ min: 1, max: 200 })),
          waitMs: fc.integer({ min: 0, max: 30 }),
          cancelAfter: fc.option(fc.nat({ max: 5 })),
        }),
        { maxLength: 120 },
      ),
      async (steps) => {
        const clock = manualClock();
        const queue = new DeadlineQueue(clock);
        const made: { dueMs: number; fired: number[]; isCancelled: boolean; timer: Timer; cancelAt: number | null }[] = [];
        for (const [at, { lengthMs, waitMs, cancelAfter }] of steps.entries()) {
          const fired: number[] = [];
          const startMs = clock.monotonicMs();
          const timer = queue.set(startMs, lengthMs, () => fired.push(clock.monotonicMs()));
          made.push({
            dueMs: startMs + lengthMs,
            fired,
            isCancelled: false,
            timer,
            cancelAt: cancelAfter === null ? null : at + cancelAfter,
          });
          clock.advanceNow(waitMs);
          for (const entry of made) {
            if (entry.cancelAt !== at || entry.fired.length > 0) continue;
            entry.timer.cancel();
            entry.isCancelled = true;
          }
        }
        clock.advanceNow(1_000);
        for (const { dueMs, fired, isCancelled } of made) assert.equal(fired, isCancelled ? [] : [dueMs]);
        assert.is(clock.pendingTimers, 0);
      },
    ),
    { numRuns: 60 },
  ));

test.run();
