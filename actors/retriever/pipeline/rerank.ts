import { kennelError } from "../../../runtime/errors.ts";
import { shownScore } from "../fusion/score.ts";
import { type ReadyPassage, textOf } from "../index/passage.ts";
import type { SearchRequest } from "../search.ts";
import type { Found } from "./find.ts";
import { runOptional } from "./optional_phase.ts";
import type { RankedHit } from "./refine.ts";
import type { SearchContext } from "./search_context.ts";

/** Hits of the first ranking that are ranked anew, unless more are asked for. */
const DEPTH = 50;

/** How many hits the first ranking has to bring up. */
export function rerankDepth({ topK, candidateK }: SearchRequest): number {
  return Math.max(topK, Math.min(DEPTH, candidateK));
}

interface Place {
  readonly hit: RankedHit;
  readonly passage: ReadyPassage;
  readonly at: number;
}

/**
 * Ranks hits anew by how well their texts answer the question, then cuts at the threshold and at `top_k`. An optional phase:
 * left out also where an operator's mode rules it out; without it the first ranking stands. Equal scores keep the first
 * ranking's order.
 * Never rejects.
 */
export async function rerank(context: SearchContext, found: Found, request: SearchRequest): Promise<Found> {
  const places: Place[] = [];
  for (const [at, hit] of found.ranking.hits.entries()) {
    const passage = found.passages[at];
    if (passage !== null && passage !== undefined) places.push({ hit, passage, at });
  }
  const scores = places.length === 0 ? null : await relevance(context, request, places);
  if (scores === null) return select(found, places.slice(0, request.topK));
  const ranks = ranksBy(places, scores);
  const threshold = request.scoreThreshold ?? 0;
  const { weight, isMixed } = weightOf(context, request);
  const combined = isMixed ? mixed(places, scores, weight) : scores;
  const order = places
    .map((place, at) => ({ place, score: combined[at] as number, own: scores[at] as number }))
    .sort((left, right) => right.score - left.score || left.place.at - right.place.at)
    .filter(({ score }) => score >= threshold)
    .slice(0, request.topK);
  const ranked = order.map(({ place, score, own }) => ({ ...place, hit: reranked(place.hit, score, own, ranks.get(place) ?? 0) }));
  const picked = select(found, ranked);
  const scoreType = isMixed ? "weighted" : "rerank";
  return { ...picked, ranking: { ...picked.ranking, scoreType, lists: [...found.ranking.lists, "rerank"] } };
}

function weightOf({ parts }: SearchContext, { options }: SearchRequest): { readonly weight: number; readonly isMixed: boolean } {
  const weight = options.rerankWeight ?? parts.reranker?.weight ?? 1;
  return { weight, isMixed: weight < 1 };
}

/** (1 - weight) x the first ranking's score + weight x the reranker's, each min-max scaled over these hits; 0..1. */
function mixed(places: readonly Place[], scores: readonly number[], weight: number): readonly number[] {
  const first = scaled(places.map(({ hit }) => hit.fused));
  const second = scaled(scores);
  return places.map((_, at) => shownScore((1 - weight) * (first[at] as number) + weight * (second[at] as number)));
}

/** Where all are equal each counts as 1, as in a weighted fusion. */
function scaled(scores: readonly number[]): readonly number[] {
  const min = Math.min(...scores);
  const range = Math.max(...scores) - min;
  return scores.map((score) => (range === 0 ? 1 : (score - min) / range));
}

/** Ranks from 1 by the reranker's own scores; equal ones keep the first ranking's order. */
function ranksBy(places: readonly Place[], scores: readonly number[]): ReadonlyMap<Place, number> {
  const order = places.map((place, at) => ({ place, score: scores[at] as number }));
  order.sort((left, right) => right.score - left.score || left.place.at - right.place.at);
  return new Map(order.map(({ place }, at) => [place, at + 1]));
}

/** 0 to 1 a hit; null: the phase did not do its part. */
async function relevance(context: SearchContext, { query }: SearchRequest, places: readonly Place[]): Promise<readonly number[] | null> {
  const { limits, reranker } = context.parts;
  const { plan } = context.search;
  if (reranker === null || query === null || plan.degradations.some(({ stage }) => stage === "rerank")) {
    context.degrade("rerank", "unavailable", "reranker");
    return null;
  }
  const texts = places.map(({ passage }) => textOf(passage));
  const phase = { name: "rerank", role: "reranker", share: limits.rerankShare } as const;
  return runOptional(context, phase, async (signal) => {
    const scores = await reranker.rerank(query, texts, signal);
    if (scores.length === texts.length && scores.every((score) => score >= 0 && score <= 1)) return scores;
    throw kennelError("unavailable", { message: `${reranker.name} gave scores that make no sense` });
  });
}

function reranked(hit: RankedHit, score: number, own: number, rank: number): RankedHit {
  return { ...hit, score, ranks: [...hit.ranks, rank], raw: [...hit.raw, own] };
}

function select({ ranking, parentTexts }: Found, places: readonly Place[]): Found {
  return {
    ranking: { ...ranking, hits: places.map(({ hit }) => hit) },
    passages: places.map(({ passage }) => passage),
    parentTexts: parentTexts === null ? null : places.map(({ at }) => parentTexts[at] ?? "unknown"),
  };
}
