import { suite } from "uvu";
import * as assert from "uvu/assert";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("phase times");

/** The estimator is exact to 5 %. */
const near = (found: number | null, wanted: number) =>
  assert.ok(found !== null && Math.abs(found - wanted) <= wanted * 0.051, `${found} is within 5 % of ${wanted}`);

test("phaseTimes knows the quantiles of the last durations", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let i = 1; i <= 40; i++) times.note("vector", i);
  near(times.p95("vector"), 38);
  near(times.quantile("vector", 0.5), 20);
  assert.ok(Math.abs((times.chance("vector", 10) ?? 0) - 0.25) <= 0.05);
  assert.is(times.p95("bm25"), null);
  assert.equal(Object.keys(times.known()), ["vector"]);
});

test("phaseTimes says nothing about a phase it has seen too seldom", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let i = 0; i < 3; i++) times.note("vector", 5);
  assert.is(times.p95("vector"), null);
});

test("phaseTimes follows a phase that has become faster", async () => {
  const clock = manualClock();
  const times = phaseTimes(clock, 60_000);
  for (let i = 0; i < 64; i++) times.note("vector", 500);
  await clock.advance(45_000);
  for (let i = 0; i < 20; i++) times.note("vector", 5);
  near(times.quantile("vector", 0.5), 5);
  await clock.advance(45_000);
  for (let i = 0; i < 64; i++) times.note("vector", 5);
  near(times.p95("vector"), 5);
});

test("phaseTimes takes a run that was given up for longer than what it had", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let i = 0; i < 8; i++) times.noteAbandoned("rerank", 100);
  assert.is(times.chance("rerank", 110), 0);
});

test("phaseTimes lets one asker try a phase that has not run for the pause", async () => {
  const clock = manualClock();
  const times = phaseTimes(clock, 60_000);
  assert.is(times.mayTry("rerank", 1_000), false, "nothing is known of it, so it runs anyway");
  times.note("rerank", 5);
  assert.is(times.mayTry("rerank", 1_000), false);
  await clock.advance(1_000);
  assert.equal([times.mayTry("rerank", 1_000), times.mayTry("rerank", 1_000)], [true, false]);
  await clock.advance(1_000);
  assert.is(times.mayTry("rerank", 1_000), true);
});

test("phaseTimes learns a bounded number of phases", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let phase = 0; phase < 100; phase++) for (let i = 0; i < 8; i++) times.note(`phase ${phase}`, 5);
  assert.is(Object.keys(times.known()).length, 32);
});

test("phaseTimes forgets a phase that is not run any more, so that it gets another chance", async () => {
  const clock = manualClock();
  const times = phaseTimes(clock, 60_000);
  for (let i = 0; i < 20; i++) times.note("parents", 5_000);
  near(times.p95("parents"), 5_000);
  await clock.advance(60_001);
  assert.is(times.p95("parents"), null);
});

test.run();
