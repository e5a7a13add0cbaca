import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { IndexCandidate } from "../../../../../actors/retriever/fusion/ranked.ts";
import { reciprocalRankFusion } from "../../../../../actors/retriever/fusion/reciprocal_rank.ts";
import { weightedFusion } from "../../../../../actors/retriever/fusion/weighted.ts";
import { mergeHits, type RowHits } from "../../../../../actors/retriever/index/resident/hits.ts";
import { type FusionMethod, RowFusion } from "../../../../../actors/retriever/index/resident/row_fusion.ts";

const test = suite("hits");

const hits = fc
  .uniqueArray(fc.record({ row: fc.nat(60), score: fc.integer({ min: 0, max: 6 }) }), { selector: ({ row }) => row, maxLength: 40 })
  .map((list) => list.sort((left, right) => right.score - left.score || left.row - right.row));

const toHits = (list: readonly { row: number; score: number }[]): RowHits => ({
  rows: Uint32Array.from(list, ({ row }) => row),
  scores: Float64Array.from(list, ({ score }) => score),
});

/** An id that sorts as its row does. */
const idOf = (row: number): string => String(row).padStart(3, "0");

const candidate = ({ row, score }: { row: number; score: number }): IndexCandidate => ({
  key: idOf(row),
  id: idOf(row),
  documentId: "",
  parentId: null,
  score,
});

test("Fusing rows gives what the fusion of candidates gives, to the last bit, however far it is worked out", () => {
  const fusion = new RowFusion(); // one for all runs: nothing of an earlier one may show
  fc.assert(
    fc.property(
      fc.array(hits, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 0, max: 150 }),
      fc.constantFrom<FusionMethod>({ type: "weighted" }, { type: "rrf", k: 60 }, { type: "rrf", k: 1 }),
      (lists, limit, method) => {
        const weights = [0.7, 0.3, 0.15];
        const ranked = lists.map((list, at) => ({ candidates: list.map(candidate), weight: weights[at] as number }));
        const expected = method.type === "weighted" ? weightedFusion(ranked) : reciprocalRankFusion(ranked, method.k);
        const weighted = lists.map((list, at) => ({ hits: toHits(list), weight: weights[at] as number }));
        const { best, total } = fusion.fuse(weighted, method, limit, (left, right) => left - right);
        assert.is(total, expected.length);
        assert.equal(
          best.map(({ row, fused, ranks, raw }) => ({ id: idOf(row), fused, ranks, raw })),
          expected.slice(0, limit).map(({ chunk: { id }, fused, ranks, raw }) => ({ id, fused, ranks, raw })),
        );
      },
    ),
  );
});

test("Merging hits gives the best of both lists in order", () => {
  fc.assert(
    fc.property(hits, hits, fc.integer({ min: 1, max: 60 }), (many, few, limit) => {
      const later = few.map(({ row, score }) => ({ row: row + 100, score }));
      const found = mergeHits(toHits(many.slice(0, limit)), [...later].reverse(), limit, (left, right) => left - right);
      const all = [...many, ...later].sort((left, right) => right.score - left.score || left.row - right.row).slice(0, limit);
      assert.equal(
        [...found.rows],
        all.map(({ row }) => row),
      );
      assert.equal(
        [...found.scores],
        all.map(({ score }) => score),
      );
    }),
  );
});

test.run();
