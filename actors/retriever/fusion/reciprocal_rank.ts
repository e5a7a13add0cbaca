import { type FusedChunk, fuse, type RankedList } from "./ranked.ts";

/**
 * Reciprocal rank fusion: score(d) = sum over lists of weight / (k + rank of d), ranks from 1.
 * Cormack, Clarke and Buettcher, SIGIR 2009; the weights are ours.
 * @param lists in plan order, each best first
 * @param k damping, > 0; the paper uses 60
 * @returns best first, equal scores by id
 */
export function reciprocalRankFusion(lists: readonly RankedList[], k = 60): readonly FusedChunk[] {
  return fuse(lists, (list, _listIndex, rank) => list.weight / (k + rank));
}

/** The score of a chunk that is first in every list: what maps fused scores to 0..1. */
export function greatestReciprocalRank(weights: readonly number[], k = 60): number {
  return weights.reduce((sum, weight) => sum + weight / (k + 1), 0);
}
