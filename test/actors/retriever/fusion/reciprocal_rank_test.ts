import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { greatestReciprocalRank, reciprocalRankFusion } from "../../../../actors/retriever/fusion/reciprocal_rank.ts";
import { candidate, ids, rankedCandidates, rankedLists } from "./ranked_lists.ts";

const test = suite("reciprocal rank fusion");

test("reciprocalRankFusion adds weight / (60 + rank) over the lists", () => {
  const fused = reciprocalRankFusion([
    { candidates: [candidate("a", 0.9), candidate("b", 0.5)], weight: 1 },
    { candidates: [candidate("b", 12), candidate("c", 7)], weight: 2 },
  ]);
  assert.equal(ids(fused), ["b", "c", "a"]);
  assert.is(fused[0]?.fused, 1 / 62 + 2 / 61);
  assert.is(fused[1]?.fused, 2 / 62);
  assert.is(fused[2]?.fused, 1 / 61);
});

test("reciprocalRankFusion counts an id that is repeated in one list at its best rank", () => {
  const [first] = reciprocalRankFusion([{ candidates: [candidate("a", 3), candidate("a", 2)], weight: 1 }]);
  assert.is(first?.fused, 1 / 61);
});

test("reciprocalRankFusion of one list keeps its order", () => {
  fc.assert(
    fc.property(rankedCandidates, fc.integer({ min: 1, max: 200 }), (candidates, k) => {
      assert.equal(
        ids(reciprocalRankFusion([{ candidates, weight: 1 }], k)),
        candidates.map(({ id }) => id),
      );
    }),
  );
});

test("reciprocalRankFusion reads ranks only: other scores in the same order change nothing", () => {
  fc.assert(
    fc.property(rankedLists, (lists) => {
      const flattened = lists.map(({ candidates, weight }) => ({
        weight,
        candidates: candidates.map((entry, position) => ({ ...entry, score: -position })),
      }));
      assert.equal(ids(reciprocalRankFusion(flattened)), ids(reciprocalRankFusion(lists)));
    }),
  );
});

test("no fused score passes that of a chunk which is first in every list", () => {
  fc.assert(
    fc.property(rankedLists, fc.integer({ min: 1, max: 200 }), (lists, k) => {
      const greatest = greatestReciprocalRank(
        lists.map(({ weight }) => weight),
        k,
      );
      for (const { fused } of reciprocalRankFusion(lists, k)) assert.ok(fused <= greatest + 1e-12);
    }),
  );
});

test.run();
