import { type FusedChunk, fuse, type RankedList } from "./ranked.ts";

/**
 * Weighted sum of min-max scores: score(d) = sum over lists of weight x (s(d) - min) / (max - min).
 * A list that does not have d adds 0, as does the list's own last candidate. Where all scores of a list are equal (also:
 * a single candidate) each counts as 1: the list found them, and has nothing against any.
 * @param lists in plan order, each best first
 * @returns best first, equal scores by id; in 0..1 when the weights add up to 1
 */
export function weightedFusion(lists: readonly RankedList[]): readonly FusedChunk[] {
  const bounds = lists.map(scoreBounds);
  const contribution = (list: RankedList, listIndex: number, _rank: number, score: number): number => {
    const { min, max } = bounds[listIndex] ?? { min: 0, max: 0 };
    return list.weight * (max === min ? 1 : (score - min) / (max - min));
  };
  return fuse(lists, contribution);
}

/** Least and greatest score of a list; both 0 when it is empty. */
function scoreBounds(list: RankedList): { readonly min: number; readonly max: number } {
  return { min: list.candidates.at(-1)?.score ?? 0, max: list.candidates[0]?.score ?? 0 };
}
