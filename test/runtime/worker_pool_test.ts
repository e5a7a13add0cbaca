import { test } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../runtime/clock.ts";
import { KennelError } from "../../runtime/errors.ts";
import { createWorkerPool, type WorkerPool, type WorkerPoolOptions } from "../../runtime/worker_pool.ts";
import { manualClock } from "../support/manual_clock.ts";
import type { Exercise } from "./exercise_thread.ts";

const signal = new AbortController().signal;
const LONG_MS = 600_000;

function pool(differs: Partial<WorkerPoolOptions> = {}): WorkerPool<Exercise, unknown> {
  const entry = new URL("./exercise_thread.ts", import.meta.url);
  const options = {
    name: "exerciser",
    entry,
    data: { fails: false },
    maxThreads: 1,
    maxQueue: 2,
    whenLate: "terminate",
    clock: systemClock(),
  } as const;
  return createWorkerPool({ ...options, ...differs });
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "resolved";
  } catch (thrown) {
    assert.instance(thrown, KennelError);
    return (thrown as KennelError).code;
  }
}

test("A pool answers in order, hands buffers over, and keeps an error's code, field and sentence", async () => {
  const threads = pool({ maxQueue: 10 });
  const values = await Promise.all([1, 2, 3].map((value) => threads.run({ kind: "echo", value }, { timeoutMs: LONG_MS, signal })));
  assert.equal(values, [1, 2, 3]);
  const bytes = new Uint8Array([1, 2, 3]);
  const back = await threads.run({ kind: "echo", value: bytes }, { timeoutMs: LONG_MS, signal, transfer: [bytes.buffer] });
  assert.equal(back, new Uint8Array([1, 2, 3]));
  assert.is(bytes.length, 0, "what was handed over is no longer here");
  try {
    await threads.run({ kind: "refuse" }, { timeoutMs: LONG_MS, signal });
    assert.unreachable();
  } catch (thrown) {
    const error = thrown as KennelError;
    assert.equal([error.code, error.param, error.message, error.retryAfterMs], ["overloaded", "field", "No more", 7]);
  }
  await threads.close();
});

test("A task beyond its time is told so, its thread is replaced, and the next task is done", async () => {
  const clock = manualClock();
  const threads = pool({ clock });
  await threads.warm();
  const stuck = codeOf(threads.run({ kind: "spin" }, { timeoutMs: 100, signal }));
  const next = threads.run({ kind: "echo", value: "next" }, { timeoutMs: LONG_MS, signal });
  await clock.advance(100);
  assert.is(await stuck, "deadline_exceeded");
  assert.is(await next, "next");
  await threads.close();
});

test("A cancelled task ends its thread while it runs and leaves the queue while it waits", async () => {
  const threads = pool();
  await threads.warm();
  const [running, waiting] = [new AbortController(), new AbortController()];
  const stuck = threads.run({ kind: "spin" }, { timeoutMs: LONG_MS, signal: running.signal });
  const queued = threads.run({ kind: "echo", value: 1 }, { timeoutMs: LONG_MS, signal: waiting.signal });
  waiting.abort();
  assert.is(await codeOf(queued), "cancelled");
  running.abort();
  assert.is(await codeOf(stuck), "cancelled");
  assert.is(await threads.run({ kind: "echo", value: 2 }, { timeoutMs: LONG_MS, signal }), 2);
  await threads.close();
});

test("A pool that finishes late tasks tells the caller and runs the next task after the late one", async () => {
  const clock = manualClock();
  const threads = pool({ clock, whenLate: "finish" });
  await threads.warm();
  const late = codeOf(threads.run({ kind: "wait", forMs: 50 }, { timeoutMs: 10, signal }));
  const next = threads.run({ kind: "count" }, { timeoutMs: LONG_MS, signal });
  await clock.advance(10);
  assert.is(await late, "deadline_exceeded");
  assert.is(await next, 2, "the same thread has ended the first task");
  await threads.close();
});

test("A full queue refuses at once, and a closed pool refuses what waits", async () => {
  const threads = pool();
  const attempts = [1, 2, 3].map((value) => codeOf(threads.run({ kind: "echo", value }, { timeoutMs: LONG_MS, signal })));
  assert.is(await attempts[2], "overloaded");
  await threads.close();
  assert.equal(await Promise.all(attempts), ["unavailable", "unavailable", "overloaded"]);
  assert.is(await codeOf(threads.run({ kind: "count" }, { timeoutMs: LONG_MS, signal })), "unavailable");
});

test("A thread that dies takes only its own task with it", async () => {
  const threads = pool();
  const dying = threads.run({ kind: "exit" }, { timeoutMs: LONG_MS, signal });
  const next = threads.run({ kind: "echo", value: 1 }, { timeoutMs: LONG_MS, signal });
  assert.is(await codeOf(dying), "unavailable");
  assert.is(await next, 1);
  await threads.close();
});

test("A thread that cannot start fails the tasks that wait for it with what it threw", async () => {
  const threads = pool({ data: { fails: true } });
  const task = codeOf(threads.run({ kind: "echo", value: 1 }, { timeoutMs: LONG_MS, signal }));
  assert.is(await task, "conflict");
  assert.is(await codeOf(threads.warm()), "conflict");
  await threads.close();
});

test.run();
