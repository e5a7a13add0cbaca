import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { weightedFusion } from "../../../../actors/retriever/fusion/weighted.ts";
import { candidate, ids, rankedCandidates, rankedLists } from "./ranked_lists.ts";

const test = suite("weighted fusion");

test("weightedFusion adds each list's min-max score times its weight, and nothing for a list without the chunk", () => {
  const fused = weightedFusion([
    { candidates: [candidate("a", 0.9), candidate("b", 0.5), candidate("c", 0.1)], weight: 0.3 },
    { candidates: [candidate("b", 12), candidate("d", 7), candidate("e", 2)], weight: 0.7 },
  ]);
  assert.equal(ids(fused), ["b", "d", "a", "c", "e"]);
  const scores = fused.map(({ fused }) => Number(fused.toFixed(9)));
  assert.equal(scores, [0.85, 0.35, 0.3, 0, 0]);
  assert.equal(fused[0]?.ranks, [2, 1]);
  assert.equal(fused[0]?.raw, [0.5, 12]);
  assert.equal(fused[1]?.ranks, [0, 2]);
});

test("weightedFusion counts equal scores, and a lone candidate, as 1", () => {
  const [lone] = weightedFusion([{ candidates: [candidate("a", 0)], weight: 0.7 }]);
  assert.is(lone?.fused, 0.7);
  const equal = weightedFusion([{ candidates: [candidate("a", 4), candidate("b", 4)], weight: 1 }]);
  assert.equal(
    equal.map(({ fused }) => fused),
    [1, 1],
  );
});

test("weightedFusion of nothing is nothing", () => {
  assert.equal(weightedFusion([]), []);
  assert.equal(weightedFusion([{ candidates: [], weight: 1 }]), []);
});

test("weightedFusion of one list keeps its order", () => {
  fc.assert(
    fc.property(rankedCandidates, (candidates) => {
      const order = ids(weightedFusion([{ candidates, weight: 1 }]));
      // Scores that differ by less than a float can hold after division become ties, and ties go by id.
      const fused = weightedFusion([{ candidates, weight: 1 }]);
      for (let i = 1; i < fused.length; i++) {
        const [before, after] = [fused[i - 1], fused[i]];
        if (before === undefined || after === undefined) continue;
        assert.ok(before.chunk.score >= after.chunk.score || before.fused === after.fused);
      }
      assert.equal([...order].sort(), candidates.map(({ id }) => id).sort());
    }),
  );
});

test("weightedFusion stays within 0 and the sum of the weights, falls along the list, breaks ties by id, loses and invents nothing", () => {
  fc.assert(
    fc.property(rankedLists, (lists) => {
      const fused = weightedFusion(lists);
      const greatest = lists.reduce((sum, { weight }) => sum + weight, 0);
      for (const [i, entry] of fused.entries()) {
        assert.ok(entry.fused >= 0 && entry.fused <= greatest + 1e-9);
        const next = fused[i + 1];
        if (next === undefined) continue;
        assert.ok(entry.fused > next.fused || (entry.fused === next.fused && entry.chunk.id < next.chunk.id));
      }
      const given = new Set(lists.flatMap(({ candidates }) => candidates.map(({ id }) => id)));
      assert.equal([...ids(fused)].sort(), [...given].sort());
    }),
  );
});

test("weightedFusion does not care about a constant added to or a factor on all of a list's scores", () => {
  fc.assert(
    fc.property(rankedLists, fc.integer({ min: 1, max: 8 }), (lists, power) => {
      // Powers of two scale without rounding.
      const scaled = lists.map(({ candidates, weight }) => ({
        weight,
        candidates: candidates.map((entry) => ({ ...entry, score: entry.score * 2 ** power })),
      }));
      assert.equal(ids(weightedFusion(scaled)), ids(weightedFusion(lists)));
    }),
  );
});

test.run();
