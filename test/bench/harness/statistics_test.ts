import { suite } from "uvu";
import * as assert from "uvu/assert";
import { median, quantile, slope } from "../../../bench/harness/statistics.ts";

const statistics = suite("bench statistics");

statistics("A quantile is the value at its nearest rank, in whatever order the values come", () => {
  const values = [5, 1, 4, 2, 3];
  assert.equal([0, 0.2, 0.5, 0.99, 1].map((q) => quantile(values, q)), [1, 1, 3, 5, 5]); // biome-ignore format: a row
  assert.equal(values, [5, 1, 4, 2, 3]);
  assert.ok(Number.isNaN(median([])));
});

statistics("A slope is the growth per sample and does not see what is flat", () => {
  assert.is(slope([1, 3, 5, 7]), 2);
  assert.is(slope([4, 4, 4]), 0);
  assert.is(slope([9]), 0);
});

statistics.run();
