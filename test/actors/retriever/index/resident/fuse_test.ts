import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { IndexCandidate } from "../../../../../actors/retriever/fusion/ranked.ts";
import { weightedFusion } from "../../../../../actors/retriever/fusion/weighted.ts";
import { fuseHits, mergeHits, type RowHits } from "../../../../../actors/retriever/index/resident/hits.ts";

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

test("Fusing rows gives what the weighted fusion gives, to the last bit", () => {
  fc.assert(
    fc.property(fc.array(hits, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 50 }), (lists, limit) => {
      const weights = [0.7, 0.3, 0.15];
      const candidate = ({ row, score }: { row: number; score: number }): IndexCandidate => ({
        key: row,
        id: idOf(row),
        documentId: "",
        parentId: null,
        score,
      });
      const expected = weightedFusion(lists.map((list, at) => ({ candidates: list.map(candidate), weight: weights[at] as number })));
      const found = fuseHits(
        lists.map((list, at) => ({ hits: toHits(list), weight: weights[at] as number })),
        limit,
        (left, right) => left - right,
      );
      const best = expected.slice(0, limit);
      assert.equal(
        [...found.rows],
        best.map(({ chunk }) => chunk.key as number),
      );
      assert.equal(
        [...found.fused],
        best.map(({ fused }) => fused),
      );
      for (const [list, ranks] of found.ranks.entries())
        assert.equal(
          [...ranks],
          best.map((chunk) => chunk.ranks[list] as number),
        );
      for (const [list, raw] of found.raw.entries())
        assert.equal(
          [...raw],
          best.map((chunk) => chunk.raw[list] as number),
        );
    }),
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
