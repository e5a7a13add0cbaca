import { EmbeddingCache } from "../../actors/embedding/cache.ts";
import type { EmbeddingModel } from "../../actors/embedding/embedding.ts";
import { embeddingReranker } from "../../actors/reranker/embedding.ts";
import type { Reranker } from "../../actors/reranker/reranker.ts";
import { providerChoice } from "../../config/embedding_choice.ts";
import type { Service } from "../../supervisor/service.ts";
import type { MetricSources } from "../../telemetry/observed_metrics.ts";
import type { ServiceParts } from "./parts.ts";

interface Rescoring {
  readonly service: Service<EmbeddingModel>;
  readonly reranker: Reranker;
  readonly caches: MetricSources["caches"];
}

/** The second embedding model of `rerank.embedding`; null: none is chosen, and its client is not loaded. */
export async function superviseRescoring(parts: ServiceParts): Promise<Rescoring | null> {
  const { rerank, cache: sizes } = parts.config;
  const choice = providerChoice(rerank.embedding, parts.config);
  if (choice === null) return null;
  const { superviseProviderModel } = await import("./provider_embedding.ts");
  const { service, model, recall, caches } = superviseProviderModel(parts, choice, {
    name: "rerank_embedding",
    levels: "rerank_",
    dimensions: 0,
  });
  const { queryEmbeddingBytes: maxQueryBytes, documentEmbeddingBytes: maxDocumentBytes } = sizes;
  const cache = new EmbeddingCache({ maxQueryBytes, maxDocumentBytes });
  return {
    service,
    reranker: embeddingReranker(cache.wrap(model, recall), rerank.embeddingWeight),
    caches: { rerank_embeddings: () => cache.stats, ...caches },
  };
}
