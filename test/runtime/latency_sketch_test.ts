import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LatencySketch } from "../../runtime/latency_sketch.ts";

const test = suite("latency sketch");
const HALF_LIFE_MS = 1_000;

const near = (found: number | null, wanted: number) =>
  assert.ok(found !== null && Math.abs(found - wanted) <= wanted * 0.051, `${found} is within 5 % of ${wanted}`);

test("Any quantile of any durations is within 5 % of the exact one", () => {
  const durations = fc.array(fc.double({ min: 0.011, max: 600_000, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(durations, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, share) => {
      const sketch = new LatencySketch(HALF_LIFE_MS);
      for (const value of values) sketch.note(value, 0);
      const sorted = [...values].sort((a, b) => a - b);
      // Two neighbours when the share falls on the border of a duration, where weights are summed in single precision.
      const at = values.length * share;
      const around = [Math.ceil(at - 0.001), Math.ceil(at + 0.001)].map(
        (rank) => sorted[Math.min(sorted.length, Math.max(1, rank)) - 1] ?? 0,
      );
      const found = sketch.quantile(share) ?? 0;
      assert.ok(
        around.some((wanted) => Math.abs(found - wanted) <= wanted * 0.051),
        `${found} is within 5 % of ${around}`,
      );
    }),
  );
});

test("A duration counts half a half-life later, through any number of half-lives", () => {
  const sketch = new LatencySketch(HALF_LIFE_MS);
  for (let count = 0; count < 16; count++) sketch.note(100, 0);
  assert.is(sketch.countAt(0), 16);
  assert.is(sketch.countAt(HALF_LIFE_MS), 8);
  for (let count = 0; count < 8; count++) sketch.note(1, HALF_LIFE_MS * 4);
  near(sketch.shareWithin(1), 8 / 9);
  near(sketch.quantile(0.5), 1);
  sketch.note(7, HALF_LIFE_MS * 1_000);
  assert.ok(Math.abs(sketch.countAt(HALF_LIFE_MS * 1_000) - 1) < 0.001);
  near(sketch.quantile(0.01), 7);
});

test("The share within a limit is that of the durations at most as long", () => {
  const sketch = new LatencySketch(HALF_LIFE_MS);
  for (let ms = 1; ms <= 100; ms++) sketch.note(ms, 0);
  assert.is(sketch.shareWithin(0), 0);
  assert.ok(Math.abs((sketch.shareWithin(50) ?? 0) - 0.5) <= 0.05);
  assert.is(sketch.shareWithin(1_000), 1);
});

test("Nothing is said before the first duration, and no value breaks it", () => {
  const sketch = new LatencySketch(HALF_LIFE_MS);
  assert.equal([sketch.quantile(0.5), sketch.shareWithin(1)], [null, null]);
  for (const odd of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) sketch.note(odd, 0);
  assert.ok(Number.isFinite(sketch.quantile(1)));
});

test.run();
