import type { Endpoint } from "../../transport/transport.ts";
import type { FusionSettings } from "../document_store/document_store.ts";
import type { Attributes, Filter } from "../vector_store/filter.ts";

export const STRATEGIES = ["vector", "bm25", "hybrid", "parent_document"] as const;
export type Strategy = (typeof STRATEGIES)[number];

export const MODES = ["full", "no_rewrite", "no_rerank", "basic", "lexical", "stale", "down"] as const;
export type Mode = (typeof MODES)[number];

export const INCLUDES = ["text", "attributes", "scores", "ranks"] as const;
export type Include = (typeof INCLUDES)[number];

/** One question to one collection, checked and with every default filled in. */
export interface SearchRequest {
  /** A collection's or alias's name. */
  readonly collection: string;
  /** Null when the client brings a vector of its own; at most 100,000 characters. */
  readonly query: string | null;
  readonly vector: Float32Array | null;
  readonly strategy: Strategy;
  /** Hits in the answer, 1..1,000. */
  readonly topK: number;
  /** Candidates each branch brings up, topK..1,000. @default 100 */
  readonly candidateK: number;
  readonly filter: Filter | null;
  /** Null: the collection's own. */
  readonly fusion: FusionSettings | null;
  /** `document`: at most one hit a document, its best. */
  readonly groupBy: "document" | null;
  /** Hits with a lower `score` (0..1) are left out; null: none is. */
  readonly scoreThreshold: number | null;
  /** Null: the collection's own. */
  readonly allowDegraded: boolean | null;
  /** The answer must hold this index version or a later one. */
  readonly minVersion: number | null;
  readonly include: readonly Include[];
  /** Adds how the answer came about: phases, candidates, fusion bounds. */
  readonly explain: boolean;
  /** False: the result cache is neither read nor written. */
  readonly useCache: boolean;
}

export type ScoreType = "weighted" | "rrf" | "cosine" | "bm25";

export interface Hit {
  readonly id: string;
  readonly document_id: string;
  readonly parent_id: string | null;
  readonly title: string;
  readonly url: string;
  /** 0..1, falling along the list. */
  readonly score: number;
  readonly score_type: ScoreType;
  readonly text?: string;
  readonly attributes?: Attributes;
  /** Rank from 1 in each branch that brought the chunk up. */
  readonly ranks?: Readonly<Record<string, number>>;
  /** Raw scores: `vector` the cosine, `bm25` the BM25 score, `fused` what fusion made of them. */
  readonly scores?: Readonly<Record<string, number>>;
}

export interface Degradation {
  /** `embed`, `vector`, `bm25`, `parents`, … */
  readonly stage: string;
  /** An error code of the table, or `skipped_for_deadline`. */
  readonly reason: string;
  readonly service: string;
  readonly breaker: "closed" | "open" | "half_open";
}

/** The answer as it travels: its fields are the wire's, in snake case. */
export interface SearchAnswer {
  readonly object: "list";
  readonly data: readonly Hit[];
  readonly mode: Mode;
  readonly degradations: readonly Degradation[];
  /** Milliseconds by phase: `queue`, `embed`, `vector`, `bm25`, `fuse`, `fetch`, `total`. */
  readonly timings_ms: Readonly<Record<string, number>>;
  readonly cache: "hit" | "miss" | "coalesced" | "off";
  readonly index_version: number;
  readonly freshness: { readonly index: "store" | "resident"; readonly age_ms: number };
  readonly explain?: unknown;
}

/**
 * An answer that has been written as JSON once, for all who get the same: `hits` is the array behind `data`, ready to
 * be copied. A bridge writes it out with `encodeAnswer`; who needs the hits themselves parses them.
 */
export interface EncodedAnswer {
  readonly hits: Uint8Array;
  readonly rest: Omit<SearchAnswer, "object" | "data">;
}

export const SEARCH: Endpoint<SearchRequest, EncodedAnswer> = { name: "search" };
