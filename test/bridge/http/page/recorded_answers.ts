import type { Hit, SearchAnswer } from "../../../../actors/retriever/search.ts";
import type { StatusAnswer } from "../../../../bridge/http/page/wire.ts";
import type { StatusNode } from "../../../../supervisor/child.ts";

/** Answers of a node as it would give them, for tests of the page. */

export function hit(changes: Partial<Hit> = {}): Hit {
  return {
    id: "architecture#3",
    document_id: "architecture",
    parent_id: null,
    title: "Architecture: the life of a crash",
    url: "https://kennel.example/docs/architecture",
    score: 0.912,
    score_type: "weighted",
    text: "A crash restarts the child at once. More than its restart intensity suspends it, and callers are told at once while the pipeline goes on without it.",
    attributes: { lang: "en", section: "supervision", year: 2026 },
    ranks: { vector: 2, bm25: 1 },
    scores: { vector: 0.5312, bm25: 14.204, fused: 0.912 },
    ...changes,
  };
}

export function answer(data: readonly Hit[], changes: Partial<SearchAnswer> = {}): SearchAnswer {
  return {
    object: "list",
    data,
    mode: "full",
    degradations: [],
    timings_ms: { queue: 0.04, embed: 0.31, vector: 2.4, bm25: 3.12, fuse: 0.08, fetch: 0.6, total: 4.21 },
    cache: "miss",
    index_version: 7,
    freshness: { index: "store", age_ms: 0 },
    ...changes,
  };
}

export function child(path: string, kind: string, changes: Partial<StatusNode> = {}): StatusNode {
  return {
    path,
    kind,
    state: "ready",
    since: new Date(Date.now() - 3_725_000).toISOString(),
    incarnation: 1,
    restarts: { count: 0, max: 5, window_s: 30 },
    breaker: "closed",
    mailbox: { depth: 0, capacity: 1000, oldest_ms: 0 },
    in_flight: 0,
    latency_ms: { p50: 1.9, p95: 4.4, p99: 7.2 },
    next_probe_at: null,
    last_error: null,
    children: [],
    ...changes,
  };
}

export function status(children: readonly StatusNode[], changes: Partial<StatusAnswer> = {}): StatusAnswer {
  return {
    node: "kennel-1",
    version: "0.1.0",
    mode: "full",
    forced_mode: null,
    flags: [],
    nats: null,
    uptime_s: 3725,
    cluster: null,
    children,
    events: [],
    ...changes,
  };
}

export const quietTree: readonly StatusNode[] = [
  child("stores", "supervisor", {
    latency_ms: { p50: 0, p95: 0, p99: 0 },
    children: [child("stores/documents", "document_store"), child("stores/vectors", "vector_store", { details: { open_tables: 3 } })],
  }),
  child("embedding", "embedding", { latency_ms: { p50: 0.3, p95: 0.5, p99: 0.9 } }),
  child("retrievers", "supervisor", {
    latency_ms: { p50: 0, p95: 0, p99: 0 },
    children: [child("retrievers/docs", "retriever", { in_flight: 3 }), child("retrievers/kennel", "retriever")],
  }),
  child("janitor", "janitor", { latency_ms: { p50: 0, p95: 0, p99: 0 } }),
];

/** The vector store keeps failing; one retriever is under load. */
export function troubledTree(): readonly StatusNode[] {
  return [
    child("stores", "supervisor", {
      latency_ms: { p50: 0, p95: 0, p99: 0 },
      children: [
        child("stores/documents", "document_store"),
        child("stores/vectors", "vector_store", {
          state: "suspended",
          incarnation: 7,
          since: new Date(Date.now() - 8000).toISOString(),
          restarts: { count: 6, max: 5, window_s: 30 },
          breaker: "open",
          next_probe_at: new Date(Date.now() + 4000).toISOString(),
          last_error: "unavailable: The table docs-1 could not be opened after 6 attempts; the next one follows by itself",
          details: { open_tables: 0, data_folder: "vectors" },
        }),
      ],
    }),
    child("embedding", "embedding", {
      state: "probing",
      breaker: "half_open",
      incarnation: 3,
      restarts: { count: 2, max: 5, window_s: 30 },
    }),
    child("retrievers", "supervisor", {
      latency_ms: { p50: 0, p95: 0, p99: 0 },
      children: [
        child("retrievers/docs", "retriever", {
          mailbox: { depth: 640, capacity: 1000, oldest_ms: 812 },
          in_flight: 32,
          latency_ms: { p50: 38.2, p95: 240.5, p99: 1450 },
        }),
        child("retrievers/a-collection-with-a-very-long-name-that-nobody-would-type-0001", "retriever", { state: "starting" }),
        child("retrievers/old", "retriever", { state: "draining" }),
        child("retrievers/gone", "retriever", { state: "stopped" }),
      ],
    }),
  ];
}

/** A scrape after `count` searches, of which half took up to 5 ms and all up to 25 ms. */
export function metrics(count: number, failed = 0): string {
  const bucket = (le: string, value: number) => `kennel_search_phase_duration_seconds_bucket{le="${le}",phase="total"} ${value}`;
  return [
    "# HELP kennel_search_phase_duration_seconds Time of each phase of a search",
    "# TYPE kennel_search_phase_duration_seconds histogram",
    'kennel_search_phase_duration_seconds_bucket{le="+Inf",phase="embed"} 999999',
    bucket("0.001", 0),
    bucket("0.005", count / 2),
    bucket("0.025", count),
    bucket("+Inf", count),
    `kennel_search_phase_duration_seconds_sum{phase="total"} ${count * 0.006}`,
    `kennel_search_phase_duration_seconds_count{phase="total"} ${count}`,
    `kennel_search_failures_total{collection="docs",code="unavailable"} ${failed}`,
  ].join("\n");
}
