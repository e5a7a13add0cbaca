export interface StoredEmbedding {
  readonly key: string;
  readonly vector: Float32Array;
}

/**
 * Embeddings that outlive the process, by key. A cache: what it lost or cannot vouch for is `null`, as is what it never
 * had; only being unable to look is an error (`unavailable`, `deadline_exceeded`).
 */
export interface EmbeddingStore {
  /** One entry a key, in order. */
  read(keys: readonly string[], signal: AbortSignal): Promise<readonly (Float32Array | null)[]>;
  /** Replaces what has the same key. May be forgotten at any time, least recently written first. */
  write(entries: readonly StoredEmbedding[], signal: AbortSignal): Promise<void>;
  probe(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
