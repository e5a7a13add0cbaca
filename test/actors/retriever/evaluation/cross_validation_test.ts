import { test } from "uvu";
import * as assert from "uvu/assert";
import { crossValidate } from "../../../../actors/retriever/evaluation/cross_validation.ts";

test("A candidate that wins everywhere is worth its own mean", () => {
  assert.is(
    crossValidate(
      [
        [0.5, 0.5, 0.5, 0.5],
        [0.7, 0.9, 0.7, 0.9],
      ],
      2,
    ),
    0.8,
  );
});

test("A candidate that wins by one query only is not credited with it", () => {
  // The second is best over all four, for the sake of query 0, which none of the others confirms.
  assert.is(
    crossValidate(
      [
        [0, 0.25, 0.25, 0.25],
        [1, 0, 0, 0],
      ],
      4,
    ),
    0,
  );
});

test("Fewer queries than folds say nothing", () => {
  assert.is(crossValidate([[1, 1]], 5), null);
  assert.is(crossValidate([], 5), null);
});

test.run();
