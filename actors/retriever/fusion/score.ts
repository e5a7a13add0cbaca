import type { ScoreType } from "../search.ts";

/** At this BM25 score the mapped one is a half. */
const BM25_HALF = 10;

/**
 * Maps a raw score to 0..1 without changing an order: weighted min-max fusion and a reranker's score as they are, RRF divided by the greatest
 * score it can give, cosine as (1 + c) / 2, BM25 as s / (s + 10).
 * @param greatest for `rrf` only: the score of a chunk that is first in every list
 */
export function normalizedScore(type: ScoreType, raw: number, greatest = 1): number {
  switch (type) {
    case "weighted":
    case "rerank":
      return clamp(raw);
    case "rrf":
      return clamp(greatest > 0 ? raw / greatest : 0);
    case "cosine":
      return clamp((1 + raw) / 2);
    case "bm25":
      return clamp(raw <= 0 ? 0 : raw / (raw + BM25_HALF));
  }
}

/** Six digits after the point: what an answer shows of a score, and so what a threshold is held against. */
export function shownScore(score: number): number {
  return Math.round(score * 1_000_000) / 1_000_000;
}

/** Rounding of floats may leave 0..1 by a hair. */
function clamp(score: number): number {
  return Math.min(Math.max(score, 0), 1);
}
