import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { averagePrecision, bootstrapInterval, ndcg, recall, reciprocalRank } from "../../../../actors/retriever/evaluation/metrics.ts";
import { seededRandom } from "../../../../runtime/random.ts";

const judged = new Map([
  ["a", 1],
  ["b", 1],
  ["c", 0],
]);
const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);

test("nDCG of a list computed by hand", () => {
  // a at rank 2, b at rank 3: (1/log2 3 + 1/log2 4) / (1/log2 2 + 1/log2 3)
  near(ndcg(["c", "a", "b"], judged, 10), (1 / Math.log2(3) + 0.5) / (1 + 1 / Math.log2(3)));
});

test("nDCG weighs a grade of 2 three times a grade of 1", () => {
  const graded = new Map([
    ["a", 2],
    ["b", 1],
  ]);
  near(ndcg(["b", "a"], graded, 10), (1 + 3 / Math.log2(3)) / (3 + 1 / Math.log2(3)));
});

test("Average precision, reciprocal rank and recall of a list computed by hand", () => {
  near(averagePrecision(["c", "a", "b"], judged), (1 / 2 + 2 / 3) / 2);
  near(reciprocalRank(["c", "a", "b"], judged, 10), 1 / 2);
  near(reciprocalRank(["c", "a", "b"], judged, 1), 0);
  near(recall(["c", "a", "b"], judged, 2), 1 / 2);
});

test("A query without relevant documents scores 0 instead of NaN", () => {
  const none = new Map([["a", 0]]);
  for (const score of [ndcg(["a"], none, 10), averagePrecision(["a"], none), recall(["a"], none, 10), reciprocalRank(["a"], none, 10)]) {
    assert.is(score, 0);
  }
});

test("The ideal order scores 1, no order scores more, and moving a relevant document up never lowers nDCG", () => {
  const lists = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(
      lists,
      fc.integer({ min: 0 }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 12, maxLength: 12 }),
      (ids, pick, grades) => {
        const judgements = new Map(ids.map((id, index) => [id, grades[index] ?? 0]));
        const score = ndcg(ids, judgements, 10);
        assert.ok(score >= 0 && score <= 1 + 1e-12);
        const ideal = [...ids].sort((left, right) => (judgements.get(right) ?? 0) - (judgements.get(left) ?? 0));
        if ([...judgements.values()].some((grade) => grade > 0)) near(ndcg(ideal, judgements, 10), 1);
        const at = 1 + (pick % (ids.length - 1));
        const swapped = [...ids];
        const [upper, lower] = [swapped[at - 1] ?? "", swapped[at] ?? ""];
        swapped[at - 1] = lower;
        swapped[at] = upper;
        if ((judgements.get(lower) ?? 0) >= (judgements.get(upper) ?? 0)) assert.ok(ndcg(swapped, judgements, 10) >= score - 1e-12);
      },
    ),
  );
});

test("The bootstrap interval holds the mean, is the same for the same seed and collapses for equal values", () => {
  const values = Array.from({ length: 50 }, (_, index) => (index % 7) / 7);
  const interval = bootstrapInterval(values, seededRandom(1));
  assert.ok(interval.low < interval.mean && interval.mean < interval.high);
  assert.equal(bootstrapInterval(values, seededRandom(1)), interval);
  assert.equal(bootstrapInterval([0.5, 0.5], seededRandom(1)), { mean: 0.5, low: 0.5, high: 0.5 });
  assert.equal(bootstrapInterval([], seededRandom(1)), { mean: 0, low: 0, high: 0 });
});

test.run();
