import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Envelope } from "../../../supervisor/kernel/ask.ts";
import { Mailbox } from "../../../supervisor/kernel/mailbox.ts";
import { Latencies } from "../../../supervisor/kernel/measurements.ts";
import { RingQueue } from "../../../supervisor/kernel/ring_queue.ts";
import { manualClock } from "../../support/manual_clock.ts";

test("Ring queue behaves as an array does, through growing, wrapping and shrinking", () => {
  const steps = fc.array(fc.oneof(fc.constant("shift" as const), fc.integer(), fc.integer()), { maxLength: 400 });
  fc.assert(
    fc.property(steps, (plan) => {
      const queue = new RingQueue<number>();
      const model: number[] = [];
      for (const step of plan) {
        if (step !== "shift") {
          queue.push(step);
          model.push(step);
        } else {
          assert.is(queue.peek(), model[0]);
          assert.is(queue.shift(), model.shift());
        }
        assert.is(queue.length, model.length);
      }
      queue.retain((item) => item % 2 === 0);
      for (const item of model.filter((kept) => kept % 2 === 0)) assert.is(queue.shift(), item);
      assert.is(queue.shift(), undefined);
    }),
  );
});

test("Mailbox bounds each lane by itself and knows its oldest message", () => {
  const clock = manualClock();
  const mailbox = new Mailbox({ control: 1, work: 2 });
  const push = (lane: "control" | "work") => mailbox.push(lane, new Envelope(null, clock.monotonicMs()));
  assert.is(mailbox.oldestMs(), null);
  clock.stall(5);
  assert.equal([push("work"), push("work"), push("work")], [true, true, false]);
  clock.stall(5);
  assert.equal([push("control"), push("control")], [true, false]);
  assert.is(mailbox.depth, 3);
  assert.is(mailbox.oldestMs(), 5);
  mailbox.shift("work", clock);
  mailbox.shift("work", clock);
  assert.is(mailbox.oldestMs(), 10);
  assert.is(mailbox.shift("work", clock), null);
});

test("Latencies give nearest ranks of the latest 512", () => {
  const latencies = new Latencies();
  assert.equal(latencies.percentiles(), { p50: 0, p95: 0, p99: 0 });
  for (let ms = 1; ms <= 100; ms++) latencies.record(ms, true);
  assert.equal(latencies.percentiles(), { p50: 50, p95: 95, p99: 99 });
  for (let ask = 0; ask < 512; ask++) latencies.record(7, true);
  assert.equal(latencies.percentiles(), { p50: 7, p95: 7, p99: 7 });
});

test.run();
