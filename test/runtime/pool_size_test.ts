import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PoolSize } from "../../runtime/pool_size.ts";
import { manualClock } from "../support/manual_clock.ts";

const test = suite("pool size");

function startSize(bounds: { readonly min: number; readonly max: number } = { min: 2, max: 16 }) {
  const clock = manualClock();
  return { clock, size: new PoolSize({ ...bounds, growAfterMs: 20, shrinkAfterMs: 1_000, clock }) };
}

function grown(places: number) {
  const started = startSize();
  while (started.size.current(0) < places) started.size.waited();
  return started;
}

test("Each call that waits too long adds a place, up to the most", () => {
  const { size } = startSize();
  assert.is(size.current(2), 2);
  size.waited();
  assert.is(size.current(3), 3);
  for (let call = 0; call < 100; call++) size.waited();
  assert.is(size.current(16), 16);
});

test("A time in which half of the places were not needed halves them, never below what was used nor the least", async () => {
  const { clock, size } = grown(16);
  assert.is(size.current(7), 16);
  await clock.advance(1_000);
  assert.is(size.current(1), 8);
  await clock.advance(1_000);
  assert.is(size.current(0), 4);
  await clock.advance(10_000);
  assert.is(size.current(0), 2);
});

test("A time in which more than half were used leaves them as they are", async () => {
  const { clock, size } = grown(16);
  for (let round = 0; round < 5; round++) {
    assert.is(size.current(9), 16);
    await clock.advance(1_000);
  }
  assert.is(size.current(9), 16);
});

test("A service that is too busy halves the places, once for refusals that come together", async () => {
  const { clock, size } = grown(16);
  for (let call = 0; call < 8; call++) size.refused();
  assert.is(size.current(8), 8);
  await clock.advance(20);
  size.refused();
  assert.is(size.current(4), 4);
  for (let round = 0; round < 5; round++) {
    await clock.advance(20);
    size.refused();
  }
  assert.is(size.current(2), 2);
});

test("Bounds that contradict each other are refused", () => {
  assert.throws(() => startSize({ min: 3, max: 2 }), /at least 3 and at most 2/);
  assert.throws(() => startSize({ min: 0, max: 2 }), /at least 0/);
});

test.run();
