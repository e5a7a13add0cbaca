import { suite } from "uvu";
import * as assert from "uvu/assert";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("phase times");

test("phaseTimes knows the 95th percentile of the last durations", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let i = 1; i <= 40; i++) times.note("vector", i);
  assert.is(times.p95("vector"), 39);
  assert.is(times.p95("bm25"), null);
});

test("phaseTimes says nothing about a phase it has seen too seldom", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let i = 0; i < 7; i++) times.note("vector", 5);
  assert.is(times.p95("vector"), null);
});

test("phaseTimes follows a phase that has become faster", () => {
  const times = phaseTimes(manualClock(), 60_000);
  for (let i = 0; i < 64; i++) times.note("vector", 500);
  for (let i = 0; i < 72; i++) times.note("vector", 5);
  assert.is(times.p95("vector"), 5);
});

test("phaseTimes forgets a phase that is not run any more, so that it gets another chance", async () => {
  const clock = manualClock();
  const times = phaseTimes(clock, 60_000);
  for (let i = 0; i < 20; i++) times.note("parents", 5_000);
  assert.is(times.p95("parents"), 5_000);
  await clock.advance(60_001);
  assert.is(times.p95("parents"), null);
});

test("phaseTimes leaves durations out that are older than its memory", async () => {
  const clock = manualClock();
  const times = phaseTimes(clock, 60_000);
  for (let i = 0; i < 20; i++) times.note("vector", 5_000);
  await clock.advance(50_000);
  for (let i = 0; i < 8; i++) times.note("vector", 5);
  await clock.advance(20_000);
  for (let i = 0; i < 8; i++) times.note("vector", 5);
  assert.is(times.p95("vector"), 5);
});

test.run();
