import { batchEmbeddings } from "../../actors/embedding/batching.ts";
import { EmbeddingCache } from "../../actors/embedding/cache.ts";
import type { CachedEmbeddingModel, EmbeddingModel } from "../../actors/embedding/embedding.ts";
import { loadStaticModel, STATIC_MODEL_FACTS } from "../../actors/embedding/static/static_model.ts";
import { superviseEmbeddingModel } from "../../actors/embedding/supervised.ts";
import { embeddingChoice } from "../../config/embedding_choice.ts";
import { type Service, superviseService } from "../../supervisor/service.ts";
import type { MetricSources } from "../../telemetry/observed_metrics.ts";
import type { ServiceParts } from "./parts.ts";

export interface EmbeddingServices {
  readonly service: Service<EmbeddingModel>;
  readonly embedding: CachedEmbeddingModel;
  readonly caches: MetricSources["caches"];
  /** The model that ingest's threads run themselves; null: embedding is asked of the service. */
  readonly modelInThreads: string | null;
  /** Resolves when collections can be made with the model, or has been waited for long enough; never rejects. */
  readonly settled: Promise<void>;
}

/** The model in front of which are, from the outside in: the cache in memory, batching, and with a provider two levels that last. */
export async function superviseEmbedding(parts: ServiceParts): Promise<EmbeddingServices> {
  const { config, logger } = parts;
  const choice = embeddingChoice(config);
  const { queryEmbeddingBytes: maxQueryBytes, documentEmbeddingBytes: maxDocumentBytes } = config.cache;
  const cache = new EmbeddingCache({ maxQueryBytes, maxDocumentBytes });
  if (choice.kind !== "static") {
    // A node with the built-in model does not load the clients of OpenAI and Redis.
    const { superviseProviderModel } = await import("./provider_embedding.ts");
    const { service, model, recall, caches, settled } = superviseProviderModel(parts, choice, {
      name: "embedding",
      levels: "",
      dimensions: config.openai.dimensions,
    });
    return {
      service,
      embedding: cache.wrap(model, recall),
      caches: { embeddings: () => cache.stats, ...caches },
      modelInThreads: null,
      settled,
    };
  }
  if (config.redis.url !== "") logger.info("Redis keeps no embeddings of the built-in model, which is faster; shared answers it does");
  const { service, model } = superviseStaticModel(parts);
  return {
    service,
    embedding: cache.wrap(model),
    caches: { embeddings: () => cache.stats },
    modelInThreads: STATIC_MODEL_FACTS.name,
    settled: Promise.resolve(),
  };
}

function superviseStaticModel({ supervisor, config, clock }: ServiceParts) {
  const service = superviseService<EmbeddingModel>(supervisor, {
    name: "embedding",
    kind: "embedding",
    limits: config.supervision.embedding,
    open: () => loadStaticModel(),
    close: async () => {},
    probe: async (model, signal) => void (await model.embed(["probe"], "query", signal)),
  });
  const model = superviseEmbeddingModel(service, STATIC_MODEL_FACTS, config.embeddingCalls.callTimeoutMs);
  return { service, model: batchEmbeddings(model, { ...config.embeddingCalls, clock }) };
}
