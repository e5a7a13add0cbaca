import type { Candidate } from "../../vector_store/vector_store.ts";

/** A candidate as an index hands it over; the key names its chunk within one search. */
export interface IndexCandidate extends Candidate {
  readonly key: string;
}

/** What one branch brought up, as fusion takes it: best first, each chunk once, every score a number. */
export interface RankedList {
  readonly candidates: readonly IndexCandidate[];
  /** Share of this list in the fused score, >= 0. */
  readonly weight: number;
}

export interface FusedChunk {
  readonly chunk: IndexCandidate;
  /** What fusion made of the lists' scores. */
  readonly fused: number;
  /** Rank from 1 in each list, in plan order; 0: the list does not have the chunk. */
  readonly ranks: readonly number[];
  /** The lists' own scores, in plan order; meaningless where the rank is 0. */
  readonly raw: readonly number[];
}

/**
 * Makes a list that fusion can take from whatever a branch returned: drops candidates without an id or without a finite
 * score and all but the first of a repeated id, and puts what is out of order into order (score, then id).
 * @returns the list, and how many candidates were dropped
 */
export function cleanCandidates(candidates: readonly IndexCandidate[]): {
  readonly clean: readonly IndexCandidate[];
  readonly dropped: number;
} {
  const seen = new Set<string>();
  let inOrder = true;
  let previous = Number.POSITIVE_INFINITY;
  for (const { key, score } of candidates) {
    if (key === "" || !Number.isFinite(score)) continue;
    seen.add(key);
    if (score > previous) inOrder = false;
    previous = score;
  }
  if (inOrder && seen.size === candidates.length) return { clean: candidates, dropped: 0 };
  const sound = candidates.filter(({ key, score }) => key !== "" && Number.isFinite(score));
  if (!inOrder) sound.sort((a, b) => b.score - a.score || compareIds(a, b));
  const clean = sound.filter(({ key }) => seen.delete(key));
  return { clean, dropped: candidates.length - clean.length };
}

/** Collects the lists' ranks and scores by chunk; `contribution` says what a place in a list adds to the fused score. */
export function fuse(
  lists: readonly RankedList[],
  contribution: (list: RankedList, listIndex: number, rank: number, score: number) => number,
): readonly FusedChunk[] {
  const chunks = new Map<string, { chunk: IndexCandidate; fused: number; ranks: number[]; raw: number[] }>();
  // In plan order, never in the order of completion: float addition is not associative, so near ties would flip.
  for (const [listIndex, list] of lists.entries()) {
    for (const [position, candidate] of list.candidates.entries()) {
      let entry = chunks.get(candidate.key);
      if (entry === undefined) {
        entry = { chunk: candidate, fused: 0, ranks: lists.map(() => 0), raw: lists.map(() => 0) };
        chunks.set(candidate.key, entry);
      }
      if (entry.ranks[listIndex] !== 0) continue; // repeated in one list: it counts at its best rank
      entry.fused += contribution(list, listIndex, position + 1, candidate.score);
      entry.ranks[listIndex] = position + 1;
      entry.raw[listIndex] = candidate.score;
    }
  }
  // Falling score, equal scores by id, so that results can be reproduced.
  return [...chunks.values()].sort((a, b) => b.fused - a.fused || compareIds(a.chunk, b.chunk));
}

function compareIds(a: IndexCandidate, b: IndexCandidate): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
