import type { ModeView } from "../../../actors/coordinator/modes.ts";
import type { CollectionRecord, CollectionSettings } from "../../../actors/document_store/collection_record.ts";
import type { RetrieverEvent, RetrieverMetrics } from "../../../actors/retriever/metrics.ts";
import type { PipelineLimits } from "../../../actors/retriever/pipeline/search_context.ts";
import { DEFAULT_OPTIONS, type EncodedAnswer, type Hit, type SearchRequest } from "../../../actors/retriever/search.ts";

export function searchRequest(over: Partial<SearchRequest> = {}): SearchRequest {
  return {
    collection: "docs",
    query: "cat",
    vector: null,
    strategy: "hybrid",
    options: DEFAULT_OPTIONS,
    topK: 10,
    candidateK: 100,
    filter: null,
    fusion: null,
    groupBy: null,
    scoreThreshold: null,
    rerank: false,
    allowDegraded: null,
    minVersion: null,
    include: ["text", "attributes", "scores", "ranks"],
    explain: false,
    useCache: true,
    ...over,
  };
}

export function collectionRecord(over: Partial<CollectionRecord> = {}, settings: Partial<CollectionSettings> = {}): CollectionRecord {
  return {
    name: "docs",
    settings: {
      language: "english",
      embedding: "four-words",
      chunking: { maxTokens: 200, overlapTokens: 0, parentTokens: 0 },
      attributes: {},
      fusion: { type: "weighted", alpha: 0.3 },
      pinned: false,
      resident: "never",
      replicas: 1,
      pool: 1,
      ttlSeconds: null,
      allowDegraded: true,
      shareAnswers: false,
      ...settings,
    },
    attributes: {},
    version: 1,
    versions: [],
    indexVersion: 1,
    documents: 3,
    chunks: 3,
    createdAtMs: 0,
    updatedAtMs: 0,
    ...over,
  };
}

export const FULL: ModeView = { mode: "full", canEmbed: true, canSearchVectors: true, canSearchText: true, degradations: [] };

export const PATIENT: PipelineLimits = {
  embedShare: 0.5,
  retrieveShare: 0.8,
  parentsShare: 0.5,
  rerankShare: 0.7,
  minPhaseChance: 0.5,
  rewriteShare: 0.4,
  stragglerFactor: 8,
  minStragglerMs: 1_000,
};

export function hitsOf(answer: EncodedAnswer): readonly Hit[] {
  return JSON.parse(new TextDecoder().decode(answer.hits)) as readonly Hit[];
}

export const idsOf = (answer: EncodedAnswer): readonly string[] => hitsOf(answer).map(({ id }) => id);

/** Metrics that only count. */
export function countingMetrics(): RetrieverMetrics & { readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const count = (name: string, amount = 1) => counts.set(name, (counts.get(name) ?? 0) + amount);
  return {
    counts,
    answered: ({ cache }) => void count(`answered ${cache}`),
    failed: (_collection, code) => void count(`failed ${code}`),
    degraded: (stage, reason) => void count(`degraded ${stage} ${reason}`),
    activated: (outcome) => void count(`activated ${outcome}`),
    passivated: (reason) => void count(`passivated ${reason}`),
    count: (event: RetrieverEvent, amount) => void count(event, amount),
  };
}
