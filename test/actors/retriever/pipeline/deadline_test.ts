import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Deadline, TimeLimit, within } from "../../../../actors/retriever/pipeline/deadline.ts";
import { KennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { watch } from "../../../support/supervision.ts";

const test = suite("deadline");
const never = new AbortController().signal;
const hang = () => new Promise<never>(() => {});

test("Deadline gives shares of what is left, and nothing after the end", async () => {
  const clock = manualClock();
  const deadline = new Deadline(clock, 1_000);
  await clock.advance(400);
  assert.equal([deadline.remainingMs, deadline.share(0.5)], [600, 300]);
  await clock.advance(1_000);
  assert.is(deadline.share(0.5), 0);
});

test("within ends work that does not listen, at its limit", async () => {
  const clock = manualClock();
  let signal: AbortSignal | null = null;
  const outcome = watch(
    Promise.resolve(
      within(clock, 100, never, (given) => {
        signal = given;
        return hang();
      }),
    ),
  );
  await clock.advance(99);
  assert.is(outcome.result, null);
  await clock.advance(1);
  assert.is(outcome.result, "deadline_exceeded");
  assert.is((signal as AbortSignal | null)?.aborted, true);
});

test("within hands back at once what is there at once, and leaves no timer", () => {
  const clock = manualClock();
  assert.is(
    within(clock, 100, never, () => 42),
    42,
  );
  assert.is(clock.pendingTimers, 0);
});

test("within ends with its parent, with the parent's reason", async () => {
  const clock = manualClock();
  const parent = new AbortController();
  const outcome = watch(Promise.resolve(within(clock, 100, parent.signal, hang)));
  parent.abort();
  await clock.flush();
  assert.is(outcome.result, "cancelled");
  assert.is(clock.pendingTimers, 0);
});

test("within does not begin what nobody waits for", () => {
  assert.throws(
    () => within(manualClock(), 100, AbortSignal.abort(), () => assert.unreachable()),
    (error: unknown) => error instanceof KennelError && error.code === "cancelled",
  );
});

test("TimeLimit can be shortened but not lengthened", async () => {
  const clock = manualClock();
  const limit = new TimeLimit(clock, 100, never);
  const outcome = watch(Promise.resolve(limit.run(hang)));
  limit.shorten(500);
  limit.shorten(20);
  await clock.advance(20);
  assert.is(outcome.result, "deadline_exceeded");
});

test.run();
