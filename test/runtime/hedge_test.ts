import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import { Hedge, HedgeBudget } from "../../runtime/hedge.ts";
import { type ManualClock, manualClock } from "../support/manual_clock.ts";

const test = suite("hedge");
const never = new AbortController().signal;

interface Attempt {
  readonly signal: AbortSignal;
  readonly resolve: (value: string) => void;
  readonly reject: (error: unknown) => void;
}

/** A kind of call that was learned to take 20 ms, and whose attempts a test answers by hand. */
async function startHedge(share = 0.05, flags = { hedging: true }) {
  const clock: ManualClock = manualClock();
  const budget = new HedgeBudget(share, flags);
  const hedge = new Hedge({ clock, budget, minDelayMs: 5, halfLifeMs: 60_000 });
  for (let call = 0; call < 40; call++) {
    const answer = hedge.run(never, async () => clock.sleep(20, never));
    await clock.advance(20);
    await answer;
  }
  const attempts: Attempt[] = [];
  const call = (signal = never) =>
    hedge.run(signal, (own) => new Promise<string>((resolve, reject) => attempts.push({ signal: own, resolve, reject })));
  return { clock, budget, hedge, attempts, call };
}

const first = (attempts: readonly Attempt[]) => attempts[0] as Attempt;
const second = (attempts: readonly Attempt[]) => attempts[1] as Attempt;

test("A quick call has one attempt", async () => {
  const { clock, budget, attempts, call } = await startHedge();
  const answer = call();
  first(attempts).resolve("first");
  assert.is(await answer, "first");
  await clock.advance(1_000);
  assert.equal([attempts.length, budget.stats.hedged], [1, 0]);
});

test("A call beyond its p95 gets a second attempt; the first answer wins and the other is cancelled", async () => {
  for (const winner of [first, second]) {
    const { clock, budget, attempts, call } = await startHedge();
    const answer = call();
    await clock.advance(20);
    assert.is(attempts.length, 1);
    await clock.advance(4);
    assert.is(attempts.length, 2);
    winner(attempts).resolve("won");
    assert.is(await answer, "won");
    const loser = winner === first ? second(attempts) : first(attempts);
    assert.is((loser.signal.reason as KennelError).code, "cancelled");
    assert.equal([budget.stats.hedged, budget.stats.won], [1, winner === second ? 1 : 0]);
  }
});

test("While hedging is switched off no call has a second attempt, and what is learned is kept", async () => {
  const flags = { hedging: false };
  const { clock, budget, attempts, call } = await startHedge(0.05, flags);
  const answer = call();
  await clock.advance(1_000);
  first(attempts).resolve("late");
  assert.is(await answer, "late");
  assert.equal([attempts.length, budget.stats.hedged], [1, 0]);
  flags.hedging = true;
  void call();
  await clock.advance(1_000);
  assert.is(attempts.length, 3, "the next one has two");
  for (const { resolve } of attempts) resolve("end");
});

test("Second attempts are a twentieth of the calls at most, and ten may come at once", async () => {
  const { clock, budget, attempts, call } = await startHedge();
  for (let slow = 0; slow < 400; slow++) {
    const answer = call();
    await clock.advance(25);
    for (const { resolve } of attempts.splice(0)) resolve("late");
    await answer;
  }
  const { calls, hedged, refused } = budget.stats;
  assert.ok(hedged <= calls * 0.05, `${hedged} of ${calls}`);
  assert.ok(hedged > 0 && refused > 0);
  const saved = new HedgeBudget(1);
  for (let quick = 0; quick < 1_000; quick++) saved.noteCall();
  let taken = 0;
  while (saved.take()) taken++;
  assert.is(taken, 10);
});

test("A failure alone is no reason for a second attempt; of two attempts, one may fail", async () => {
  const { clock, attempts, call } = await startHedge();
  const alone = call();
  first(attempts).reject(kennelError("unavailable"));
  assert.is(await alone.catch(({ code }: KennelError) => code), "unavailable");
  attempts.length = 0;
  const answered = call();
  await clock.advance(24);
  first(attempts).reject(kennelError("unavailable"));
  second(attempts).resolve("second");
  assert.is(await answered, "second");
});

test("When both fail the first one's error is told", async () => {
  const { clock, attempts, call } = await startHedge(0.5);
  const failed = call();
  await clock.advance(24);
  second(attempts).reject(kennelError("overloaded"));
  first(attempts).reject(kennelError("unavailable"));
  assert.is(await failed.catch(({ code }: KennelError) => code), "unavailable");
});

test("A caller that leaves cancels both attempts at once", async () => {
  const { clock, attempts, call } = await startHedge();
  const caller = new AbortController();
  const left = call(caller.signal);
  await clock.advance(24);
  caller.abort(kennelError("deadline_exceeded"));
  assert.is(await left.catch(({ code }: KennelError) => code), "deadline_exceeded");
  assert.equal(
    attempts.map(({ signal }) => (signal.reason as KennelError).code),
    ["deadline_exceeded", "deadline_exceeded"],
  );
  assert.is(await call(caller.signal).catch(({ code }: KennelError) => code), "deadline_exceeded");
  assert.is(attempts.length, 2);
  assert.is(clock.pendingTimers, 0);
});

test("A call of which too little is known has no second attempt, however long it takes", async () => {
  const clock = manualClock();
  const hedge = new Hedge({ clock, budget: new HedgeBudget(1), minDelayMs: 5, halfLifeMs: 60_000 });
  let attempts = 0;
  const answer = hedge.run(never, async () => {
    attempts++;
    await clock.sleep(10_000, never);
  });
  await clock.advance(10_000);
  await answer;
  assert.is(attempts, 1);
});

test.run();
