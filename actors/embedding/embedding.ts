/** What a text is embedded for. */
export type Purpose = "query" | "document";

/** Turns texts into vectors. Queries and documents take the same path unless a model wants otherwise. */
export interface EmbeddingModel {
  /** Part of every cache key: `static-minilm-256`, `openai:text-embedding-3-small`. */
  readonly name: string;
  /** Reading it throws `unavailable` while a provider that alone knows it has not answered yet. */
  readonly dimensions: number;
  /** Texts in one call, at most. */
  readonly maxBatch: number;
  /**
   * One unit vector per text, in order; null for a text the model knows no word of.
   * Rejects with `unavailable`, `overloaded`, `invalid_request` or `cancelled`.
   */
  embed(texts: readonly string[], purpose: Purpose, signal: AbortSignal): Promise<readonly (Float32Array | null)[]>;
}

/** Looks for a text's vector where it was kept; null: it is not known. Rejects with the cancellation only. */
export type Recall = (text: string, purpose: Purpose, signal: AbortSignal) => Promise<Float32Array | null>;

/** A model behind caches, which can be asked while the model itself is away. */
export interface CachedEmbeddingModel extends EmbeddingModel {
  readonly recall: Recall;
}
