import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Flights } from "../../../../actors/retriever/answers/flights.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { watch } from "../../../support/supervision.ts";

const test = suite("flights");
const never = new AbortController().signal;

/** A computation whose end the test decides. */
function computation() {
  const started: { readonly signal: AbortSignal; finish(value: string): void; fail(error: Error): void }[] = [];
  const start = (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      started.push({ signal, finish: resolve, fail: reject });
    });
  return { started, start };
}

test("Flights compute once for all who ask the same at the same time, and say to whom it was shared", async () => {
  const flights = new Flights<string>(manualClock(), 100);
  const { started, start } = computation();
  const first = flights.join("q", 1_000, never, start);
  const second = flights.join("q", 1_000, never, start);
  assert.is(started.length, 1);
  started[0]?.finish("answer");
  assert.equal(await first, { result: "answer", isShared: false });
  assert.equal(await second, { result: "answer", isShared: true });
  assert.is(flights.size, 0);
});

test("Flights start anew for who comes after the landing, and for another key", async () => {
  const flights = new Flights<string>(manualClock(), 100);
  const { started, start } = computation();
  const first = flights.join("q", 1_000, never, start);
  started[0]?.finish("old");
  await first;
  void flights.join("q", 1_000, never, start);
  void flights.join("other", 1_000, never, start);
  assert.is(started.length, 3);
});

test("A flight goes on when the one who started it leaves, and stops when the last one has left", async () => {
  const flights = new Flights<string>(manualClock(), 100);
  const { started, start } = computation();
  const [one, two] = [new AbortController(), new AbortController()];
  const first = watch(flights.join("q", 1_000, one.signal, start));
  const second = watch(flights.join("q", 1_000, two.signal, start));
  one.abort();
  await Promise.resolve();
  assert.is(started[0]?.signal.aborted, false);
  two.abort();
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(started[0]?.signal.aborted, true);
  assert.equal([first.result, second.result], ["cancelled", "cancelled"]);
  assert.is(flights.size, 0);
});

test("A flight that kept its last asker waiting past their deadline is told so; one that was left is cancelled", async () => {
  for (const [reason, expected] of [
    [kennelError("deadline_exceeded"), "deadline_exceeded"],
    [undefined, "cancelled"],
  ] as const) {
    const flights = new Flights<string>(manualClock(), 100);
    const { started, start } = computation();
    const asker = new AbortController();
    void watch(flights.join("q", 1_000, asker.signal, start));
    asker.abort(reason);
    assert.is(started[0]?.signal.reason.code, expected);
  }
});

test("Someone with much more time does not join a flight that is in a hurry", () => {
  const flights = new Flights<string>(manualClock(), 100);
  const { started, start } = computation();
  void flights.join("q", 100, never, start);
  void flights.join("q", 150, never, start);
  assert.is(started.length, 1);
  void flights.join("q", 10_000, never, start);
  assert.is(started.length, 2);
});

test("Someone who joined a flight that reached its own deadline tries again with the time that is left", async () => {
  const clock = manualClock();
  const flights = new Flights<string>(clock, 100);
  const { started, start } = computation();
  const first = watch(flights.join("q", 100, never, start));
  const second = flights.join("q", 150, never, start);
  await clock.advance(100);
  started[0]?.fail(kennelError("deadline_exceeded"));
  await clock.flush();
  assert.is(first.result, "deadline_exceeded");
  assert.is(started.length, 2);
  started[1]?.finish("late");
  assert.is((await second).result, "late");
});

test("A failure is shared like an answer", async () => {
  const clock = manualClock();
  const flights = new Flights<string>(clock, 100);
  const { started, start } = computation();
  const outcomes = [watch(flights.join("q", 100, never, start)), watch(flights.join("q", 100, never, start))];
  started[0]?.fail(kennelError("unavailable"));
  await clock.flush();
  assert.equal(
    outcomes.map(({ result }) => result),
    ["unavailable", "unavailable"],
  );
  assert.is(started.length, 1);
});

test("A flight takes no more than its bound of waiting askers", async () => {
  const clock = manualClock();
  const flights = new Flights<string>(clock, 2);
  const { start } = computation();
  const outcomes = [1, 2, 3].map(() => watch(flights.join("q", 100, never, start)));
  await clock.flush();
  assert.equal(
    outcomes.map(({ result }) => result),
    [null, null, "overloaded"],
  );
});

test("Whatever joins, leaves and lands in whatever order, everyone is told once, of their own key, and nothing stays behind", async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("join" as const), key: fc.constantFrom("a", "b"), timeoutMs: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ do: fc.constant("leave" as const), who: fc.nat({ max: 10 }) }),
    fc.record({ do: fc.constant("land" as const), which: fc.nat({ max: 10 }), fails: fc.boolean() }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 200 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const clock = manualClock();
      const flights = new Flights<string>(clock, 3);
      const running: { readonly key: string; finish(value: string): void; fail(error: Error): void }[] = [];
      const askers: { readonly key: string; readonly stop: AbortController; readonly seen: { result: unknown } }[] = [];
      for (const todo of steps) {
        if (todo.do === "join") {
          const stop = new AbortController();
          const join = flights.join(
            todo.key,
            todo.timeoutMs,
            stop.signal,
            () => new Promise<string>((finish, fail) => running.push({ key: todo.key, finish, fail })),
          );
          askers.push({ key: todo.key, stop, seen: watch(join.then(({ result }) => result)) as { result: unknown } });
          const timer = clock.setTimer(todo.timeoutMs, () => stop.abort(kennelError("deadline_exceeded")));
          void join.then(timer.cancel, timer.cancel);
        } else if (todo.do === "leave") askers[todo.who]?.stop.abort();
        else if (todo.do === "land") {
          const flight = running[todo.which];
          if (todo.fails) flight?.fail(kennelError("deadline_exceeded"));
          else flight?.finish(flight.key);
        } else clock.advanceNow(todo.ms);
        for (let i = 0; i < 12; i++) await Promise.resolve();
      }
      clock.advanceNow(1_000);
      for (let i = 0; i < 30; i++) await Promise.resolve();
      for (const { key, seen } of askers) {
        assert.ok([key, "cancelled", "deadline_exceeded", "overloaded"].includes(String(seen.result)), String(seen.result));
      }
      assert.is(flights.size, 0);
    }),
    { numRuns: 200 },
  );
});

test.run();
