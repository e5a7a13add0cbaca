import type { EmbeddingModel } from "../embedding/embedding.ts";
import type { Reranker } from "./reranker.ts";

/**
 * Scores by an embedding model, which may be another and stronger one than that of the collection: vectors of texts are kept by
 * whatever caches it has, so that a query costs one embedding once its candidates are known.
 *
 * Scores by an embedding model: (1 + cosine of query and document) / 2, and 0 where the model knows no word of one of them.
 * It orders as the model's own search does; it is no cross-encoder, and reads query and document apart.
 */
export function embeddingReranker(model: EmbeddingModel, weight = 1): Reranker {
  return {
    name: model.name,
    weight,
    async rerank(query, texts, signal) {
      const asking = model.embed([query], "query", signal);
      const [[asked], vectors] = await Promise.all([asking, embedTexts(model, texts, signal)]);
      return vectors.map((vector) => (asked == null || vector === null ? 0 : similarity(asked, vector)));
    },
  };
}

async function embedTexts(model: EmbeddingModel, texts: readonly string[], signal: AbortSignal): Promise<readonly (Float32Array | null)[]> {
  const vectors: (Float32Array | null)[] = [];
  for (let start = 0; start < texts.length; start += model.maxBatch) {
    vectors.push(...(await model.embed(texts.slice(start, start + model.maxBatch), "document", signal)));
    signal.throwIfAborted();
  }
  return vectors;
}

/** Of two unit vectors, 0..1. */
function similarity(a: Float32Array, b: Float32Array): number {
  let cosine = 0;
  for (let place = 0; place < a.length; place++) cosine += (a[place] as number) * (b[place] as number);
  return Math.min(1, Math.max(0, (1 + cosine) / 2));
}
