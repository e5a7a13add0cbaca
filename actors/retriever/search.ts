import type { Endpoint } from "../../transport/transport.ts";
import type { FusionSettings } from "../document_store/collection_record.ts";
import type { Attributes, Filter } from "../vector_store/filter.ts";

/** Strategies that need nothing but the collection. */
export const PLAIN_STRATEGIES = ["vector", "bm25", "hybrid", "parent_document"] as const;
/** What an ensemble can be made of: `multi_query` and `hyde` have the language model write what is searched beside the question. */
export const ENSEMBLE_PARTS = [...PLAIN_STRATEGIES, "multi_query", "hyde"] as const;
export const STRATEGIES = [...ENSEMBLE_PARTS, "ensemble"] as const;
export type EnsemblePart = (typeof ENSEMBLE_PARTS)[number];
export type Strategy = (typeof STRATEGIES)[number];

export interface WeightedStrategy {
  readonly strategy: EnsemblePart;
  /** > 0; what counts is its share of all. */
  readonly weight: number;
}

export const MODES = ["full", "no_rewrite", "no_rerank", "basic", "lexical", "stale", "down"] as const;
export type Mode = (typeof MODES)[number];

export const INCLUDES = ["text", "attributes", "scores", "ranks"] as const;
export type Include = (typeof INCLUDES)[number];

/** What a strategy and the phases behind it can be told. */
export interface StrategyOptions {
  /** What `ensemble` is made of, each strategy once; empty for every other strategy. */
  readonly ensemble: readonly WeightedStrategy[];
  /** Questions that `multi_query` asks beside the one that was asked, 1..8. @default 3 */
  readonly subQueries: number;
  /** Share of the reranker's score in the new one, 0..1; the rest is the first ranking's. Null: the reranker's own. */
  readonly rerankWeight: number | null;
  /** Hits that say what a better one says are left out. */
  readonly deduplicate: boolean;
  /** Hits are chosen by maximal marginal relevance: 0 by relevance alone, 1 by difference alone; null: they are not. */
  readonly diversity: number | null;
  /** Hits that stand next to one another in a document become one. */
  readonly mergeNeighbors: boolean;
}

export const DEFAULT_OPTIONS: StrategyOptions = {
  ensemble: [],
  subQueries: 3,
  rerankWeight: null,
  deduplicate: false,
  diversity: null,
  mergeNeighbors: false,
};

/** One question to one collection, checked and with every default filled in. */
export interface SearchRequest {
  /** A collection's or alias's name. */
  readonly collection: string;
  /** Null when the client brings a vector of its own; at most 100,000 characters. */
  readonly query: string | null;
  readonly vector: Float32Array | null;
  readonly strategy: Strategy;
  readonly options: StrategyOptions;
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
  /** The first hits are ranked anew by the node's reranker, which needs a query. */
  readonly rerank: boolean;
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

export type ScoreType = "weighted" | "rrf" | "cosine" | "bm25" | "rerank";

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
  /** Raw scores: `vector` the cosine, `bm25` the BM25 score, `hyde` the cosine to a made-up answer, `vector_1` that to a further question, `rerank` the reranker's, `fused` what fusion made of them. */
  readonly scores?: Readonly<Record<string, number>>;
}

export interface Degradation {
  /** `rewrite`, `embed`, `vector`, `bm25`, `parents`, … */
  readonly stage: string;
  /**
   * An error code of the table; `skipped_for_deadline`; `not_configured`; `shed`: the collection misses its deadlines; `forced`: an operator's
   * mode rules it out; `switched_off`: a flag does; or `index_incomplete`: it is being built anew.
   */
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
  /** Milliseconds by phase: `queue`, `rewrite`, `embed`, `vector`, `bm25`, `fuse`, `rerank`, `refine`, `fetch`, `total`. */
  readonly timings_ms: Readonly<Record<string, number>>;
  readonly cache: "hit" | "miss" | "coalesced" | "off";
  readonly index_version: number;
  readonly freshness: { readonly index: "store" | "resident"; readonly age_ms: number };
  readonly explain?: unknown;
}

/**
 * An answer that has been written as JSON once, for all who get the same: `hits` is the array behind `data`, ready to
 * be copied. A bridge writes it out with `AnswerEncoder`; who needs the hits themselves parses them.
 */
export interface EncodedAnswer {
  readonly hits: Uint8Array;
  readonly rest: Omit<SearchAnswer, "object" | "data">;
}

export const SEARCH: Endpoint<SearchRequest, EncodedAnswer> = { name: "search" };
