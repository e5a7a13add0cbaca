import { textOf } from "../index/passage.ts";
import type { ReadyHit } from "../pipeline/answer.ts";
import type { Found } from "../pipeline/find.ts";
import type { SearchContext } from "../pipeline/search_context.ts";
import type { SearchRequest } from "../search.ts";
import { maximalMarginalRelevance, withoutDuplicates } from "./diversity.ts";
import { mergeNeighbors } from "./neighbors.ts";
import { type TermVector, termVectors } from "./term_vectors.ts";

/** Hits of the first ranking from which what is asked for is chosen, unless more are asked for. */
const DEPTH = 50;

/** Whether hits are thinned or merged once they are ranked, so that more of them are needed than are shown. */
export function isRefined({ options: { mergeNeighbors: merges, deduplicate, diversity } }: SearchRequest): boolean {
  return merges || deduplicate || diversity !== null;
}

/** How many hits the ranking has to bring up. */
export function refinementDepth({ topK, candidateK }: SearchRequest): number {
  return Math.min(Math.max(DEPTH, 2 * topK), candidateK);
}

/** Leaves out near-duplicates of better hits, then keeps the `top_k` that maximal marginal relevance chooses; the order stays. */
export function thin(context: SearchContext, found: Found, { topK, options: { deduplicate, diversity } }: SearchRequest): Found {
  if (!deduplicate && diversity === null) return found;
  const startedMs = context.parts.clock.monotonicMs();
  const { hits } = found.ranking;
  const vectors = termVectors(found.passages.map((passage) => (passage === null ? "" : textOf(passage))));
  let places: readonly number[] = deduplicate ? withoutDuplicates(vectors) : hits.map((_, at) => at);
  const duplicates = hits.length - places.length;
  if (diversity !== null) {
    const scores = places.map((at) => hits[at]?.score ?? 0);
    const left = places.map((at) => vectors[at] as TermVector);
    places = maximalMarginalRelevance(left, scores, diversity, topK).map((at) => places[at] as number);
  }
  context.took("refine", startedMs);
  if (context.search.request.explain) context.explain.refinement = { hits: hits.length, duplicates };
  return {
    ranking: { ...found.ranking, hits: places.flatMap((at) => hits[at] ?? []) },
    passages: places.map((at) => found.passages[at] ?? null),
    parentTexts: found.parentTexts === null ? null : places.map((at) => found.parentTexts?.[at] ?? "unknown"),
  };
}

/** Merges neighbours where that is asked for, and cuts at `top_k`. */
export function finish(hits: readonly ReadyHit[], { topK, options }: SearchRequest): readonly ReadyHit[] {
  return (options.mergeNeighbors ? mergeNeighbors(hits) : hits).slice(0, topK);
}
