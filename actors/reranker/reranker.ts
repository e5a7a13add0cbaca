/** Tells how well texts answer a question, by reading both together. */
export interface Reranker {
  /** The model's name. */
  readonly name: string;
  /** Share of its score in the new one unless a query says otherwise, 0..1; the rest is the first ranking's. */
  readonly weight: number;
  /**
   * @param texts 1 to 1,000
   * @returns 0 to 1 a text, in the texts' order; more is better. Services with another scale are mapped to it, keeping the order.
   * Rejects with `invalid_request`, `overloaded`, `unavailable` (also for an answer that makes no sense) or the cancellation.
   */
  rerank(query: string, texts: readonly string[], signal: AbortSignal): Promise<readonly number[]>;
}
