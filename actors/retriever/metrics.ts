export type RetrieverEvent =
  /** A candidate that a branch returned and that could not be used: no id, no finite score, repeated. */
  | "candidate_dropped"
  /** A hit whose passage had gone between finding and fetching it. */
  | "passage_gone"
  /** A note of use that had no room in the buffer. */
  | "use_dropped"
  /** A collection that could not be warmed at start. */
  | "warm_failed"
  /** A query that was refused because its collection misses its deadlines. */
  | "load_shed"
  /** A question that was asked again after a start, so that caches are warm. */
  | "query_replayed";

/** What retrievers measure; telemetry fits its own metrics to it. */
export interface RetrieverMetrics {
  answered(search: {
    readonly collection: string;
    readonly mode: string;
    readonly cache: string;
    readonly strategy: string;
    /** By phase, as in the answer. */
    readonly timingsMs: Readonly<Record<string, number>>;
  }): void;
  failed(collection: string, code: string): void;
  degraded(stage: string, reason: string): void;
  activated(outcome: "ready" | "failed", durationMs: number): void;
  passivated(reason: string): void;
  count(event: RetrieverEvent, amount: number): void;
}
