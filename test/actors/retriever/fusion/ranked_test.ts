import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cleanCandidates } from "../../../../actors/retriever/fusion/ranked.ts";
import { candidate, rankedCandidates } from "./ranked_lists.ts";

const test = suite("candidates");

test("cleanCandidates hands a sound list back as it is", () => {
  fc.assert(
    fc.property(rankedCandidates, (candidates) => {
      const { clean, dropped } = cleanCandidates(candidates);
      assert.is(clean, candidates);
      assert.is(dropped, 0);
    }),
  );
});

test("cleanCandidates drops scores that are no numbers, missing ids and repeated ids, and counts them", () => {
  const { clean, dropped } = cleanCandidates([
    candidate("a", 3),
    candidate("b", Number.NaN),
    candidate("a", 2),
    candidate("", 2),
    candidate("c", Number.POSITIVE_INFINITY),
    candidate("d", 1),
  ]);
  assert.equal(
    clean.map(({ id }) => id),
    ["a", "d"],
  );
  assert.is(dropped, 4);
});

test("cleanCandidates puts a list that is out of order into order before it decides which of two equal ids stays", () => {
  const { clean, dropped } = cleanCandidates([candidate("b", 1), candidate("a", 1), candidate("b", 5)]);
  assert.equal(
    clean.map(({ id, score }) => [id, score]),
    [
      ["b", 5],
      ["a", 1],
    ],
  );
  assert.is(dropped, 1);
});

test.run();
