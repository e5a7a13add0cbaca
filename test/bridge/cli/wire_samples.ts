import type { WireCollection } from "../../../bridge/schema/collections.ts";
import type { WireJob } from "../../../bridge/schema/jobs.ts";

const TIME = "2026-01-01T00:00:00.000Z";

export function wireCollection(name: string, changes: Partial<WireCollection> = {}): WireCollection {
  return {
    object: "collection",
    name,
    settings: {
      language: "english",
      embedding: "static-minilm-256",
      chunking: { max_tokens: 256, overlap_tokens: 32, parent_tokens: 0 },
      attributes: {},
      fusion: { type: "weighted", alpha: 0.3 },
      pinned: false,
      resident: "auto",
      replicas: 1,
      pool: 1,
      ttl_seconds: null,
      allow_degraded: true,
      share_answers: false,
    },
    attributes: {},
    aliases: [],
    version: 1,
    versions: [],
    index_version: 0,
    documents: 0,
    chunks: 0,
    created_at: TIME,
    updated_at: TIME,
    ...changes,
  };
}

export function wireJob(id: string, changes: Partial<WireJob> = {}): WireJob {
  return {
    object: "job",
    id,
    collection: "docs",
    kind: "ingest",
    status: "completed",
    counts: { total: 1, indexed: 1, unchanged: 0, skipped: 0, failed: 0, chunks: 1 },
    failures: [],
    index_version: 1,
    outcome: null,
    created_at: TIME,
    started_at: TIME,
    finished_at: TIME,
    ...changes,
  };
}

export function wireAnswer(documentIds: readonly string[], changes: Readonly<Record<string, unknown>> = {}): unknown {
  return {
    object: "list",
    data: documentIds.map((id, at) => ({
      id: `${id}#0`,
      document_id: id,
      parent_id: null,
      title: "",
      url: "",
      score: 1 / (at + 1),
      score_type: "weighted",
      text: `Passage of ${id}`,
      ranks: { bm25: at + 1 },
      scores: { bm25: 9.5, fused: 1 / (at + 1) },
    })),
    mode: "full",
    degradations: [],
    timings_ms: { total: 3.25 },
    cache: "miss",
    index_version: 4,
    freshness: { index: "store", age_ms: 0 },
    ...changes,
  };
}
