import { ANALYZED_LANGUAGES } from "../actors/retriever/index/resident/analyzer.ts";
import type { RegistryOptions } from "../actors/retriever/registry/options.ts";
import { VECTOR_INDEXES } from "../actors/vector_store/vector_store.ts";
import type { CollectionChoices, CollectionDefaults } from "../bridge/schema/collections.ts";
import type { Config } from "../config/schema.ts";

/** Sweeps, waits and buffers of the registry that nobody has had a reason to set. */
const REGISTRY_CONSTANTS = {
  sweepIntervalMs: 5_000,
  refreshTimeoutMs: 10_000,
  writeTimeoutMs: 10_000,
  maxWaiting: 10_000,
  maxParentBytes: 8_388_608,
  phaseMemoryMs: 60_000,
} as const;
const USES = { maxCollections: 20_000, flushLimitMs: 2_000 } as const;

/**
 * What a collection has where its settings say nothing. The fusion's weight was measured with the built-in model:
 * 0.7 BM25 + 0.3 cosine is better than either alone on every collection tried.
 */
const COLLECTION_DEFAULTS: Omit<CollectionDefaults, "embedding"> = {
  language: "english",
  chunking: { maxTokens: 256, overlapTokens: 32, parentTokens: 1_024 },
  fusion: { type: "weighted", alpha: 0.3 },
  pinned: false,
  resident: "auto",
  replicas: 1,
  pool: 1,
  ttlSeconds: null,
  allowDegraded: true,
  shareAnswers: false,
};

/** @param embedding the node's model */
export function collectionDefaults(embedding: string): CollectionDefaults {
  return { ...COLLECTION_DEFAULTS, embedding };
}

/** What the settings of a collection may name on this node. */
export function collectionChoices(embedding: string, config: Config): CollectionChoices {
  return {
    languages: ["none", ...ANALYZED_LANGUAGES],
    embeddings: [embedding],
    vectorIndexes: config.milvus.url === "" ? [] : VECTOR_INDEXES,
  };
}

export function registryOptions(config: Config): RegistryOptions {
  const { retriever, cache } = config;
  const { embedShare, retrieveShare, parentsShare, rewriteShare, rerankShare, minPhaseChance, stragglerFactor, minStragglerMs } = retriever;
  return {
    ...REGISTRY_CONSTANTS,
    ...retriever,
    passivation: { idleMs: retriever.idleMs, maxBytes: retriever.maxBytes },
    answers: { maxBytes: cache.answerBytes, ttlMs: cache.answerTtlMs },
    pipeline: { embedShare, retrieveShare, parentsShare, rewriteShare, rerankShare, minPhaseChance, stragglerFactor, minStragglerMs },
    shedding: config.shedding,
    uses: { ...USES, flushIntervalMs: retriever.useFlushIntervalMs },
    retrieverLimits: config.supervision.retriever,
  };
}
