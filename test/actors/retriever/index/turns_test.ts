import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Turns } from "../../../../actors/retriever/index/turns.ts";
import { type KennelError, kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("turns");
const never = new AbortController().signal;
const nextTurn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Pieces of work that take a millisecond each, on a clock that they move themselves. */
function start(maxTurnMs: number, maxWaiting = 100) {
  const hand = manualClock();
  let nowMs = 0;
  const turns = new Turns({ maxTurnMs, maxWaiting, clock: { ...hand, monotonicMs: () => nowMs } });
  const done: number[] = [];
  const piece = (name: number, signal = never) =>
    turns.run(() => {
      nowMs += 1;
      done.push(name);
      return name;
    }, signal);
  return { turns, done, piece };
}

test("Work within a turn's time is done at once, without a promise; what comes after it waits for the next turns, in order", async () => {
  const { turns, done, piece } = start(2);
  const results = [0, 1, 2, 3, 4, 5].map((name) => piece(name));
  assert.equal(results.slice(0, 2), [0, 1]);
  assert.equal([done, turns.waiting], [[0, 1], 4]);
  await nextTurn();
  assert.equal(done, [0, 1, 2, 3]);
  piece(6); // a latecomer goes behind those who wait
  await nextTurn();
  assert.equal(done, [0, 1, 2, 3, 4, 5]);
  assert.equal(await Promise.all(results), [0, 1, 2, 3, 4, 5]);
  await nextTurn();
  assert.equal([done.at(-1), turns.waiting], [6, 0]);
});

test("A turn that was not used up leaves nothing behind: the next one has all its time", async () => {
  const { piece } = start(2);
  piece(0);
  await nextTurn();
  assert.equal([piece(1), piece(2)], [1, 2]);
});

test("Work that throws fails its own asker alone", async () => {
  const { turns, piece } = start(1);
  assert.throws(() =>
    turns.run(() => {
      throw new RangeError("no");
    }, never),
  );
  piece(0);
  const failing = turns.run((): number => {
    throw new RangeError("no");
  }, never);
  const after = piece(1);
  await Promise.resolve(failing).then(
    () => assert.unreachable(),
    (thrown) => assert.instance(thrown, RangeError),
  );
  assert.is(await after, 1);
});

test("Who gives up while waiting is not worked for, and the place is free for the next", async () => {
  const { turns, done, piece } = start(1, 1);
  piece(0);
  const left = new AbortController();
  const waiting = Promise.resolve(piece(1, left.signal));
  const refused = Promise.resolve(piece(2));
  await refused.then(
    () => assert.unreachable(),
    (thrown) => assert.is((thrown as KennelError).code, "overloaded"),
  );
  left.abort(kennelError("deadline_exceeded"));
  await waiting.then(
    () => assert.unreachable(),
    (thrown) => assert.is((thrown as KennelError).code, "deadline_exceeded"),
  );
  assert.is(turns.waiting, 0);
  assert.is(await piece(3), 3);
  assert.equal(done, [0, 3]);
});

test.run();
