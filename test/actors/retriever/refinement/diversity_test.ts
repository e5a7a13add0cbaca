import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { maximalMarginalRelevance, withoutDuplicates } from "../../../../actors/retriever/refinement/diversity.ts";
import { similarity, termVectors } from "../../../../actors/retriever/refinement/term_vectors.ts";

const test = suite("diversity");
const LONG = "the pump must be primed before it is started, and its valve stays open until the pressure has risen to four bar";

test("What differs in case, marks or a word or two of many is said already; what shares some words is not", () => {
  const texts = [LONG, LONG.toUpperCase(), `${LONG}.`, "the pump must be painted red", "", ""];
  assert.equal(withoutDuplicates(termVectors(texts)), [0, 3, 4]);
});

test("MMR takes the next best that is not like what it has; without diversity the best ones", () => {
  const texts = ["cats purr softly", "cats purr loudly softly", "hounds hunt hare"];
  const relevance = [1, 0.9, 0.6];
  assert.equal(maximalMarginalRelevance(termVectors(texts), relevance, 0, 2), [0, 1]);
  assert.equal(maximalMarginalRelevance(termVectors(texts), relevance, 0.5, 2), [0, 2]);
});

const texts = fc.array(
  fc.array(fc.constantFrom("cat", "dog", "bird", "fish", "zebra", "Cat!", ""), { maxLength: 8 }).map((words) => words.join(" ")),
  { maxLength: 12 },
);

test("A text is as similar to itself as can be, similarity is from 0 to 1 and the same both ways", () => {
  fc.assert(
    fc.property(texts, (given) => {
      const vectors = termVectors(given);
      for (const one of vectors) {
        if (one.terms.length > 0) assert.ok(Math.abs(similarity(one, one) - 1) < 1e-9);
        for (const other of vectors) {
          const value = similarity(one, other);
          assert.ok(value >= 0 && value <= 1);
          assert.ok(Math.abs(value - similarity(other, one)) < 1e-9);
        }
      }
    }),
  );
});

test("Places are chosen once, in order, as many as asked for; the best one and one of each duplicate stay", () => {
  fc.assert(
    fc.property(texts, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 15 }), (given, diversity, count) => {
      const vectors = termVectors(given);
      const chosen = maximalMarginalRelevance(
        vectors,
        given.map((_, at) => 1 - at / 20),
        diversity,
        count,
      );
      assert.is(chosen.length, Math.min(count, given.length));
      for (const places of [chosen, withoutDuplicates(vectors)]) {
        assert.equal(
          places,
          [...new Set(places)].sort((left, right) => left - right),
        );
        if (given.length > 0 && (diversity < 1 || places !== chosen)) assert.is(places[0], 0);
      }
    }),
  );
});

test("MMR chooses by the similarity of each with each, and compares nothing where all are wanted", () => {
  fc.assert(
    fc.property(texts, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(12), (given, diversity, count) => {
      const vectors = termVectors(given);
      const relevance = given.map((_, at) => 1 - at / 20);
      const chosen: number[] = [];
      const gain = (at: number) => {
        const nearest = Math.max(
          0,
          ...chosen.map((other) => similarity(vectors[other] as (typeof vectors)[0], vectors[at] as (typeof vectors)[0])),
        );
        return (1 - diversity) * (relevance[at] as number) - diversity * nearest;
      };
      while (chosen.length < Math.min(count, given.length)) {
        const left = [...given.keys()].filter((at) => !chosen.includes(at));
        chosen.push(left.reduce((best, at) => (gain(at) > gain(best) ? at : best)));
      }
      assert.equal(
        maximalMarginalRelevance(vectors, relevance, diversity, count),
        chosen.sort((one, other) => one - other),
      );
    }),
  );
});

test.run();
