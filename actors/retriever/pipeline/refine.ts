import type { FusedChunk, IndexCandidate, RankedList } from "../fusion/ranked.ts";
import { greatestReciprocalRank, reciprocalRankFusion } from "../fusion/reciprocal_rank.ts";
import { normalizedScore, shownScore } from "../fusion/score.ts";
import { weightedFusion } from "../fusion/weighted.ts";
import type { ScoreType } from "../search.ts";
import type { Leg, LegName } from "../strategies/legs.ts";
import { ownScore } from "./plan.ts";
import type { BranchAnswer } from "./retrieve.ts";
import type { SearchContext } from "./search_context.ts";

/** A chunk that will be in the answer. */
export interface RankedHit {
  /** 0..1 */
  readonly score: number;
  /** What fusion made of the lists' scores; where one list stands alone, its score. */
  readonly fused: number;
  /** Rank from 1 in each list, in the ranking's order; 0: the list does not have the chunk. */
  readonly ranks: readonly number[];
  /** The lists' own scores, in the same order; meaningless where the rank is 0. */
  readonly raw: readonly number[];
  /** The parent that the chunk stands for; read where hits are grouped by parent only, else null. */
  readonly parentId: string | null;
}

export type ListName = LegName | "rerank";

export interface Ranking {
  readonly hits: readonly RankedHit[];
  readonly scoreType: ScoreType;
  /** Whose ranks and scores the hits hold, in order. */
  readonly lists: readonly ListName[];
}

/** How a ranking's scores come about. */
export interface Ranker {
  readonly scoreType: ScoreType;
  /** Weight of each list; where one stands alone it has 1. */
  readonly weights: readonly number[];
  /** Null: one list stands alone and ranks by its own scores. */
  readonly method: { readonly type: "weighted" } | { readonly type: "rrf"; readonly k: number } | null;
  /** The score of a chunk that is first in every list; what divides the scores of `rrf`. */
  readonly greatest: number;
}

/** What the explanation says of one list. */
export interface ListBounds {
  readonly list: LegName;
  readonly min: number;
  readonly max: number;
}

/** What sums of shares are off by. */
const ROUNDING = 1e-9;

/**
 * How the lists of these legs are made one. Of a weighted fusion that lacks some, planned or not, the others take up their
 * weight; where none is left of it they count alike.
 */
export function chooseRanker({ search: { plan } }: SearchContext, answered: readonly Leg[]): Ranker {
  const { fusion } = plan;
  if (fusion === null || answered.length < 2) {
    return { scoreType: ownScore(answered[0]?.branch ?? "bm25"), weights: [1], method: null, greatest: 1 };
  }
  const sum = answered.reduce((total, { weight }) => total + weight, 0);
  if (fusion.type === "weighted") {
    const whole = Math.abs(sum - 1) < ROUNDING ? 1 : sum;
    const shares = answered.map(({ weight }) => (sum > 0 ? weight / whole : 1 / answered.length));
    return { scoreType: "weighted", weights: shares, method: { type: "weighted" }, greatest: 1 };
  }
  const weights = answered.map(({ weight }) => (sum > 0 ? weight : 1));
  return { scoreType: "rrf", weights, method: { type: "rrf", k: fusion.k }, greatest: greatestReciprocalRank(weights, fusion.k) };
}

/** A threshold speaks of one kind of score; to another kind it means nothing. */
function thresholdFor({ search: { request, plan } }: SearchContext, { scoreType }: Ranker): number | null {
  return scoreType === plan.expectedScore ? request.scoreThreshold : null;
}

/**
 * The first `top_k` entries of a falling list whose score, as it will be shown, reaches the threshold, each group once.
 * @param groupOf null: every entry is a group of its own
 */
export function pickHits<Entry extends { readonly fused: number }>(
  context: SearchContext,
  ranker: Ranker,
  entries: Iterable<Entry>,
  groupOf: ((entry: Entry) => string) | null,
): { readonly entry: Entry; readonly score: number }[] {
  const { topK } = context.search.request;
  const threshold = thresholdFor(context, ranker);
  const picked: { readonly entry: Entry; readonly score: number }[] = [];
  const groups = new Set<string>();
  for (const entry of entries) {
    const score = shownScore(normalizedScore(ranker.scoreType, entry.fused, ranker.greatest));
    if (threshold !== null && score < threshold) break; // the list falls, so all that follows is below, too
    if (groupOf !== null) {
      const group = groupOf(entry);
      if (groups.has(group)) continue;
      groups.add(group);
    }
    picked.push({ entry, score });
    if (picked.length >= topK) break;
  }
  return picked;
}

/** Whether `groupBy` puts a chunk into one group with others, and which. */
export function groupOfChunk(
  groupBy: "document" | "parent",
  { id, documentId, parentId }: { readonly id: string; readonly documentId: string; readonly parentId: string | null },
): string {
  return groupBy === "document" ? documentId : (parentId ?? `chunk ${id}`);
}

/** Phase 5, refine: one list out of the branches' lists, grouped, cut at the threshold and at `top_k`; and its chunks. */
export function refine(
  context: SearchContext,
  answers: readonly BranchAnswer[],
): { readonly ranking: Ranking; readonly chunks: readonly IndexCandidate[] } {
  const { groupBy } = context.search.plan;
  const legs = answers.map(({ leg }) => leg);
  const ranker = chooseRanker(context, legs);
  const fused = fuseAnswers(answers, ranker);
  const picked = pickHits(context, ranker, fused, groupBy === "chunk" ? null : ({ chunk }) => groupOfChunk(groupBy, chunk));
  const hits = picked.map(({ entry, score }) => ({
    score,
    fused: entry.fused,
    ranks: entry.ranks,
    raw: entry.raw,
    parentId: groupBy === "parent" ? entry.chunk.parentId : null,
  }));
  if (context.search.request.explain) {
    const bounds = answers.map(({ leg, candidates }) => ({
      list: leg.name,
      min: candidates.at(-1)?.score ?? 0,
      max: candidates[0]?.score ?? 0,
    }));
    explainRanking(context, ranker, bounds, fused.length);
  }
  return {
    ranking: { hits, scoreType: ranker.scoreType, lists: legs.map(({ name }) => name) },
    chunks: picked.map(({ entry }) => entry.chunk),
  };
}

function fuseAnswers(answers: readonly BranchAnswer[], { weights, method }: Ranker): readonly FusedChunk[] {
  if (method === null) return ownOrder(answers[0]?.candidates ?? []);
  const lists = answers.map(({ candidates }, at): RankedList => ({ candidates, weight: weights[at] ?? 0 }));
  return method.type === "weighted" ? weightedFusion(lists) : reciprocalRankFusion(lists, method.k);
}

/** A branch that stands alone ranks by its own scores. */
function ownOrder(candidates: BranchAnswer["candidates"]): readonly FusedChunk[] {
  return candidates.map((chunk, position) => ({ chunk, fused: chunk.score, ranks: [position + 1], raw: [chunk.score] }));
}

export function explainRanking(context: SearchContext, ranker: Ranker, lists: readonly ListBounds[], fusedChunks: number): void {
  const { plan } = context.search;
  context.explain.plan = { wanted: plan.wanted, ran: lists.map(({ list }) => list), group_by: plan.groupBy };
  context.explain.fusion = {
    settings: lists.length > 1 ? plan.fusion : null,
    score_type: ranker.scoreType,
    chunks: fusedChunks,
    threshold_applied: thresholdFor(context, ranker),
    bounds: Object.fromEntries(lists.map(({ list, min, max }) => [list, { min, max }])),
  };
}
