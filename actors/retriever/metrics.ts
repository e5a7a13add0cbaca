export type RetrieverEvent =
  /** A candidate that a branch returned and that could not be used: no id, no finite score, repeated. */
  | "candidate_dropped"
  /** A hit whose passage had gone between finding and fetching it. */
  | "passage_gone"
  /** A note of use that had no room in the buffer. */
  | "use_dropped"
  /** A collection that could not be warmed at start. */
  | "warm_failed";

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
