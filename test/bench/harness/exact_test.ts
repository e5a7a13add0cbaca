import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadAnalyzer } from "../../../actors/retriever/index/resident/analyzer.ts";
import { ExactBm25, exactNearest, recall } from "../../../bench/harness/exact.ts";
import { seededRandom } from "../../../runtime/random.ts";

const exact = suite("bench exact ranking");

exact("BM25 is that of its formula", async () => {
  const documents = [
    { id: "a", text: "water water fire" },
    { id: "b", text: "water" },
    { id: "c", text: "earth wind stone" },
  ];
  const bm25 = new ExactBm25(documents, await loadAnalyzer("none"));
  const idf = Math.log(1 + (3 - 2 + 0.5) / (2 + 0.5));
  const score = (count: number, length: number) => (idf * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * length) / (7 / 3)));
  const found = bm25.search("water water", 10);
  assert.equal(
    found.map(({ id }) => id),
    score(2, 3) > score(1, 1) ? ["a", "b"] : ["b", "a"],
  );
  for (const { id, score: given } of found)
    assert.ok(Math.abs(given - (id === "a" ? score(2, 3) : score(1, 1))) < 1e-12, `${id}: ${given}`);
});

exact("The nearest are those of a full sort, and documents without a vector are not among them", () => {
  const random = seededRandom(3);
  const vectors = Array.from({ length: 500 }, (_, place) =>
    place % 50 === 0 ? null : Float32Array.from({ length: 8 }, () => random.next() - 0.5),
  );
  const documents = vectors.map((_, place) => ({ id: String(place), text: "" }));
  const query = Float32Array.from({ length: 8 }, () => random.next() - 0.5);
  const sorted = vectors
    .flatMap((vector, place) => (vector === null ? [] : [{ id: String(place), score: dot(vector, query) }]))
    .sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : 1));
  assert.equal(exactNearest(documents, vectors, query, 10), sorted.slice(0, 10));
});

exact("Recall is the part of what is wanted that was found", () => {
  assert.is(recall(["a", "b", "x"], ["a", "b", "c", "d"]), 0.5);
  assert.is(recall([], ["a"]), 0);
});

function dot(left: Float32Array, right: Float32Array): number {
  return left.reduce((sum, value, at) => sum + value * (right[at] as number), 0);
}

exact.run();
