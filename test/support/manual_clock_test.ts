import { test } from "uvu";
import * as assert from "uvu/assert";
import { manualClock } from "./manual_clock.ts";

test("Manual clock fires timers in order of time, then of setting, each at its own moment", async () => {
  const clock = manualClock();
  const fired: string[] = [];
  clock.setTimer(20, () => fired.push(`late@${clock.monotonicMs()}`));
  clock.setTimer(10, () => {
    fired.push(`early@${clock.monotonicMs()}`);
    clock.setTimer(5, () => fired.push(`nested@${clock.monotonicMs()}`));
  });
  clock.setTimer(20, () => fired.push(`later@${clock.monotonicMs()}`));
  await clock.advance(20);
  assert.equal(fired, ["early@10", "nested@15", "late@20", "later@20"]);
  assert.is(clock.monotonicMs(), 20);
});

test("Manual clock that stalls moves time, and fires what fell due with the next advance", async () => {
  const clock = manualClock();
  const fired: number[] = [];
  clock.setTimer(10, () => fired.push(clock.monotonicMs()));
  clock.stall(25);
  await clock.flush();
  assert.equal(fired, []);
  await clock.advance(0);
  assert.equal(fired, [25]);
});

test("Manual clock never fires a cancelled timer", async () => {
  const clock = manualClock();
  let fired = 0;
  clock.setTimer(5, () => fired++).cancel();
  await clock.advance(100);
  assert.is(fired, 0);
  assert.is(clock.pendingTimers, 0);
});

test("Manual clock lets what a timer set off run before the next timer fires", async () => {
  const clock = manualClock();
  const seen: string[] = [];
  const sleeper = clock.sleep(10, new AbortController().signal).then(() => seen.push("awoke"));
  clock.setTimer(11, () => seen.push("next"));
  await clock.advance(11);
  await sleeper;
  assert.equal(seen, ["awoke", "next"]);
});

test("Manual clock rejects a sleep whose signal aborts", async () => {
  const clock = manualClock();
  const controller = new AbortController();
  const sleeping = clock.sleep(10, controller.signal).then(
    () => "awoke",
    (reason: unknown) => reason,
  );
  controller.abort("enough");
  assert.is(await sleeping, "enough");
});

test.run();
