import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Deadline } from "../../../bridge/http/deadline.ts";
import { DeadlineQueue } from "../../../runtime/deadline_queue.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite("request deadline");

function start(timeoutMs = 100) {
  const clock = manualClock();
  const client = new AbortController();
  let looks = 0;
  const request = {
    get signal() {
      looks++;
      return client.signal;
    },
  };
  const deadline = new Deadline({ clock, deadlines: new DeadlineQueue(clock), startedMs: 0 }, request, timeoutMs);
  const code = (work: Promise<unknown>) =>
    work.then(
      () => "settled",
      (error) => error.code,
    );
  return { clock, client, deadline, code, looks: () => looks };
}

const never = new Promise<never>(() => {});

test("What takes too long is answered at the deadline though nobody has asked for a signal", async () => {
  const { clock, deadline, code, looks } = start();
  const outcome = code(deadline.race(never));
  await clock.advance(100);
  assert.is(await outcome, "deadline_exceeded");
  assert.is(await code(deadline.race(never)), "deadline_exceeded");
  assert.is(looks(), 0);
  assert.ok(deadline.signal.aborted);
  assert.is(deadline.signal.reason.code, "deadline_exceeded");
});

test("A client that goes away aborts the signal and ends what is waited for", async () => {
  const { client, deadline, code } = start();
  const { signal } = deadline;
  const outcome = code(deadline.race(never));
  client.abort();
  assert.is(await outcome, "cancelled");
  assert.is(signal.reason.code, "cancelled");
  assert.is(deadline.ended?.code, "cancelled");
});

test("A client that had gone before anyone asked for the signal is noticed then", async () => {
  const { client, deadline, code } = start();
  client.abort();
  assert.ok(deadline.signal.aborted);
  assert.is(await code(deadline.race(never)), "cancelled");
});

test("Another time counts from the request's start, and none runs after the release", async () => {
  const { clock, deadline } = start();
  await clock.advance(30);
  deadline.move(50);
  assert.is(deadline.remainingMs(), 20);
  await clock.advance(20);
  assert.is(deadline.ended?.code, "deadline_exceeded");
  const other = start();
  other.deadline.signal;
  other.deadline.release();
  await other.clock.advance(1_000);
  other.client.abort();
  assert.is(other.deadline.ended, null);
});

test("The work's own outcome wins when it comes first", async () => {
  const { deadline, code, clock } = start();
  assert.is(await deadline.race(Promise.resolve(7)), 7);
  assert.is(await code(deadline.race(Promise.reject(kennelError("not_found")))), "not_found");
  await clock.advance(100);
});

test.run();
