import type { FusedChunk, RankedList } from "../fusion/ranked.ts";
import { greatestReciprocalRank, reciprocalRankFusion } from "../fusion/reciprocal_rank.ts";
import { normalizedScore } from "../fusion/score.ts";
import { scoreBounds, weightedFusion } from "../fusion/weighted.ts";
import type { ScoreType } from "../search.ts";
import { type BranchName, ownScore } from "./plan.ts";
import type { BranchAnswer } from "./retrieve.ts";
import type { SearchContext } from "./search_context.ts";

/** A chunk that will be in the answer. */
export interface RankedHit {
  readonly fused: FusedChunk;
  /** 0..1 */
  readonly score: number;
}

export interface Ranking {
  readonly hits: readonly RankedHit[];
  readonly scoreType: ScoreType;
  /** Whose ranks and scores the fused chunks hold, in order. */
  readonly branches: readonly BranchName[];
}

/** Phase 5, refine: one list out of the branches' lists, grouped, cut at the threshold and at `top_k`. */
export function refine(context: SearchContext, answers: readonly BranchAnswer[]): Ranking {
  const { request, plan } = context.search;
  const branches = answers.map(({ branch }) => branch);
  const { fused, scoreType, greatest } = rank(context, answers);
  // A threshold speaks of one kind of score; to another kind it means nothing.
  const threshold = request.scoreThreshold !== null && scoreType === plan.expectedScore ? request.scoreThreshold : null;
  const hits: RankedHit[] = [];
  const groups = new Set<string>();
  for (const entry of fused) {
    if (hits.length >= request.topK) break;
    const score = normalizedScore(scoreType, entry.fused, greatest);
    if (threshold !== null && score < threshold) break; // the list falls, so all that follows is below, too
    if (plan.groupBy !== "chunk") {
      const group = plan.groupBy === "document" ? entry.chunk.documentId : (entry.chunk.parentId ?? `chunk ${entry.chunk.id}`);
      if (groups.has(group)) continue;
      groups.add(group);
    }
    hits.push({ fused: entry, score });
  }
  if (request.explain) explainRanking(context, answers, scoreType, fused.length, threshold);
  return { hits, scoreType, branches };
}

function rank(
  context: SearchContext,
  answers: readonly BranchAnswer[],
): { readonly fused: readonly FusedChunk[]; readonly scoreType: ScoreType; readonly greatest: number } {
  const { fusion } = context.search.plan;
  const { compare } = context.index;
  const [first] = answers;
  if (fusion === null || answers.length === 1) {
    const branch = first?.branch ?? "bm25";
    return { fused: ownOrder(first?.candidates ?? []), scoreType: ownScore(branch), greatest: 1 };
  }
  if (fusion.type === "weighted") {
    const weights: Readonly<Record<BranchName, number>> = { vector: fusion.alpha, bm25: 1 - fusion.alpha };
    return { fused: weightedFusion(lists(answers, weights), compare), scoreType: "weighted", greatest: 1 };
  }
  const ranked = lists(answers, fusion.weights);
  const greatest = greatestReciprocalRank(
    ranked.map(({ weight }) => weight),
    fusion.k,
  );
  return { fused: reciprocalRankFusion(ranked, fusion.k, compare), scoreType: "rrf", greatest };
}

function lists(answers: readonly BranchAnswer[], weights: Readonly<Record<BranchName, number>>): readonly RankedList[] {
  return answers.map(({ branch, candidates }) => ({ candidates, weight: weights[branch] }));
}

/** A branch that stands alone ranks by its own scores. */
function ownOrder(candidates: BranchAnswer["candidates"]): readonly FusedChunk[] {
  return candidates.map((chunk, position) => ({ chunk, fused: chunk.score, ranks: [position + 1], raw: [chunk.score] }));
}

function explainRanking(
  context: SearchContext,
  answers: readonly BranchAnswer[],
  scoreType: ScoreType,
  fusedChunks: number,
  threshold: number | null,
): void {
  const { plan } = context.search;
  context.explain.plan = { wanted: plan.wanted, ran: answers.map(({ branch }) => branch), group_by: plan.groupBy };
  context.explain.fusion = {
    settings: answers.length > 1 ? plan.fusion : null,
    score_type: scoreType,
    chunks: fusedChunks,
    threshold_applied: threshold,
    bounds: Object.fromEntries(answers.map(({ branch, candidates }) => [branch, scoreBounds({ candidates, weight: 1 })])),
  };
}
