import type { FusionSettings } from "../../document_store/collection_record.ts";
import { cleanCandidates, type FusedChunk, type IndexCandidate } from "../fusion/ranked.ts";
import { greatestReciprocalRank, reciprocalRankFusion } from "../fusion/reciprocal_rank.ts";
import { normalizedScore, shownScore } from "../fusion/score.ts";
import { weightedFusion } from "../fusion/weighted.ts";
import { ownScore } from "../pipeline/plan.ts";
import type { Hit, ScoreType, SearchRequest } from "../search.ts";
import { type Leg, legsOf, NOTHING_WRITTEN } from "../strategies/legs.ts";
import type { AcrossHit } from "./across.ts";

export interface PartHits {
  readonly collection: string;
  readonly hits: readonly Hit[];
}

/**
 * Hits of several collections as one list. A collection's own scores are scaled by what it found, so they say nothing beside
 * another's: the raw scores of each list, cosines and BM25, are pooled, ranked and fused anew as those of one collection are.
 * BM25 weighs words by each collection's own statistics, which is as near as scores of separate indexes come.
 * @param request any of the searches that brought them up
 */
export function mergeAcross(parts: readonly PartHits[], request: SearchRequest, fusion: FusionSettings): readonly AcrossHit[] {
  const hits = new Map<string, AcrossHit>();
  for (const [at, part] of parts.entries())
    for (const hit of part.hits) hits.set(`${at} ${hit.id}`, { ...hit, collection: part.collection });
  const wanted = legsOf(request, { branches: ["vector", "bm25"], fusion }, NOTHING_WRITTEN);
  const lists = wanted.map((leg) => ({ leg, candidates: pooled(hits, leg) })).filter(({ candidates }) => candidates.length > 0);
  // A branch that stood in for the one that was wanted.
  if (lists.length === 0) return standIns(hits, request);
  const scoreType = scoreOf(
    lists.map(({ leg }) => leg),
    fusion,
  );
  const threshold = scoreType === scoreOf(wanted, fusion) ? request.scoreThreshold : null;
  return picked(hits, fused(lists, fusion), scoreType, greatestOf(lists, fusion), threshold, request.topK);
}

interface PooledList {
  readonly leg: Leg;
  readonly candidates: readonly IndexCandidate[];
}

function scoreOf(legs: readonly Leg[], fusion: FusionSettings): ScoreType {
  return legs.length > 1 ? fusion.type : ownScore(legs[0]?.branch ?? "bm25");
}

function pooled(hits: ReadonlyMap<string, AcrossHit>, { name }: Pick<Leg, "name">): readonly IndexCandidate[] {
  const candidates: IndexCandidate[] = [];
  for (const [key, { id, document_id: documentId, parent_id: parentId, scores }] of hits) {
    const score = scores?.[name];
    if (score !== undefined) candidates.push({ key, id, documentId, parentId, score });
  }
  candidates.sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0));
  return cleanCandidates(candidates).clean;
}

function fused(lists: readonly PooledList[], fusion: FusionSettings): readonly FusedChunk[] {
  if (lists.length === 1) return (lists[0]?.candidates ?? []).map((chunk) => ({ chunk, fused: chunk.score, ranks: [], raw: [] }));
  const total = fusion.type === "weighted" ? lists.reduce((sum, { leg }) => sum + leg.weight, 0) || 1 : 1;
  const ranked = lists.map(({ leg, candidates }) => ({ candidates, weight: leg.weight / total }));
  return fusion.type === "weighted" ? weightedFusion(ranked) : reciprocalRankFusion(ranked, fusion.k);
}

function greatestOf(lists: readonly PooledList[], fusion: FusionSettings): number {
  if (fusion.type === "weighted") return 1;
  return greatestReciprocalRank(
    lists.map(({ leg }) => leg.weight),
    fusion.k,
  );
}

function picked(
  hits: ReadonlyMap<string, AcrossHit>,
  chunks: readonly FusedChunk[],
  scoreType: ScoreType,
  greatest: number,
  threshold: number | null,
  topK: number,
): readonly AcrossHit[] {
  const found: AcrossHit[] = [];
  for (const { chunk, fused: raw } of chunks) {
    const hit = hits.get(chunk.key);
    const score = shownScore(normalizedScore(scoreType, raw, greatest));
    if (hit === undefined || (threshold !== null && score < threshold)) continue;
    found.push({ ...hit, score, score_type: scoreType, scores: { ...hit.scores, fused: raw } });
    if (found.length === topK) break;
  }
  return found;
}

function standIns(hits: ReadonlyMap<string, AcrossHit>, { topK }: SearchRequest): readonly AcrossHit[] {
  for (const name of ["bm25", "vector"] as const) {
    const candidates = pooled(hits, { name });
    if (candidates.length === 0) continue;
    const chunks = candidates.map((chunk) => ({ chunk, fused: chunk.score, ranks: [], raw: [] }));
    return picked(hits, chunks, ownScore(name), 1, null, topK);
  }
  return [];
}
