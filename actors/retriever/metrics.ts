import type { Phase } from "./pipeline/phase_times.ts";

export type RetrieverEvent =
  /** Candidates a branch returned that could not be used: no id, no finite score, repeated. */
  | "candidate_dropped"
  /** A hit's passage had gone between finding and fetching it. */
  | "passage_gone"
  | "answer_cache_hit"
  | "answer_cache_miss"
  | "answer_stale"
  | "query_coalesced"
  | "activation"
  | "passivation"
  | "refresh"
  | "warm_failed"
  | "use_dropped";

/** What a retriever measures; telemetry adapts it. */
export interface RetrieverMetrics {
  observePhase(phase: Phase, seconds: number): void;
  count(event: RetrieverEvent, amount: number): void;
  /** One query as its collection's users see it. */
  observeSearch(collection: string, strategy: string, outcome: string, seconds: number): void;
}
