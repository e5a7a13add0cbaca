/** Turns texts into vectors. Queries and documents take the same path unless a model wants otherwise. */
export interface EmbeddingModel {
  /** Part of every cache key: `static-minilm-256`, `openai:text-embedding-3-small`. */
  readonly name: string;
  readonly dimensions: number;
  /** Texts in one call, at most. */
  readonly maxBatch: number;
  /**
   * One unit vector per text, in order; null for a text the model knows no word of.
   * Rejects with `unavailable`, `overloaded`, `invalid_request` or `cancelled`.
   */
  embed(texts: readonly string[], purpose: "query" | "document", signal: AbortSignal): Promise<readonly (Float32Array | null)[]>;
}
