import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Deadlines } from "../../../supervisor/kernel/deadlines.ts";
import { manualClock } from "../../support/manual_clock.ts";

test("Deadlines expire each at its time, in order, and never after they were removed", async () => {
  const entries = fc.array(fc.record({ afterMs: fc.integer({ min: 1, max: 100 }), isRemoved: fc.boolean() }), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(entries, async (plans) => {
      const clock = manualClock();
      const deadlines = new Deadlines(clock);
      const expired: { readonly at: number; readonly dueMs: number }[] = [];
      const made = plans.map(({ afterMs }) => ({
        deadlineMs: afterMs,
        heapIndex: -1,
        expire: () => void expired.push({ at: clock.monotonicMs(), dueMs: afterMs }),
      }));
      for (const entry of made) deadlines.add(entry);
      for (const [index, plan] of plans.entries()) {
        const entry = made[index];
        if (plan.isRemoved && entry !== undefined) deadlines.remove(entry);
      }
      clock.advanceNow(100);
      const due = plans.filter((plan) => !plan.isRemoved).map((plan) => plan.afterMs);
      assert.equal(
        expired.map((entry) => entry.dueMs),
        due.sort((a, b) => a - b),
      );
      for (const entry of expired) assert.is(entry.at, entry.dueMs);
      assert.is(deadlines.size, 0);
      assert.is(clock.pendingTimers, 0);
    }),
    { numRuns: 100 },
  );
});

test("Deadlines of many asks that are answered in time take one timer", () => {
  const clock = manualClock();
  const deadlines = new Deadlines(clock);
  for (let ask = 0; ask < 100; ask++) {
    const entry = { deadlineMs: clock.monotonicMs() + 1_000, heapIndex: -1, expire: assert.unreachable };
    deadlines.add(entry);
    clock.advanceNow(1);
    deadlines.remove(entry);
    assert.is(clock.pendingTimers, 1);
  }
});

test.run();
