import { test } from "uvu";
import * as assert from "uvu/assert";
import { measureEventLoopLag } from "../../telemetry/event_loop_lag.ts";
import { manualClock } from "../support/manual_clock.ts";

test("Event-loop lag is 0 before anything was measured and while timers are on time", async () => {
  const clock = manualClock();
  const lag = measureEventLoopLag(clock);
  assert.is(lag.quantile(0.99), 0);
  await clock.advance(1_000);
  assert.is(lag.quantile(0.99), 0);
});

test("Event-loop lag is how late a timer fired, at the quantile asked for", async () => {
  const clock = manualClock();
  let heldBackMs = 0;
  // Fires on time, but the clock has moved on meanwhile, as it does when a handler blocks the loop.
  const lag = measureEventLoopLag({
    ...clock,
    monotonicMs: () => clock.monotonicMs() + heldBackMs,
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  });
  await clock.advance(20 * 97);
  heldBackMs = 80;
  await clock.advance(20);
  assert.is(lag.quantile(0.5), 0);
  assert.is(lag.quantile(1), 0.08);
});

test("Event-loop lag measures nothing after it was stopped", async () => {
  const clock = manualClock();
  measureEventLoopLag(clock).stop();
  assert.is(clock.pendingTimers, 0);
});

test.run();
