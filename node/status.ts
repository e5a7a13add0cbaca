import process from "node:process";
import type { ModeBoard } from "../actors/coordinator/coordinator.ts";
import type { Modes } from "../actors/coordinator/modes.ts";
import type { Catalog } from "../actors/document_store/catalog.ts";
import type { EmbeddingCache } from "../actors/embedding/cache.ts";
import type { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import { MODES } from "../actors/retriever/search.ts";
import type { NodeStatusSource } from "../bridge/http/collaborators.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { EventLoopLag } from "../telemetry/event_loop_lag.ts";
import type { MetricSources } from "../telemetry/observed_metrics.ts";

export interface NodeStatusParts {
  readonly name: string;
  readonly version: string;
  readonly clock: Clock;
  readonly supervisor: Supervisor;
  readonly modes: Modes & { readonly board: ModeBoard };
  readonly lag: EventLoopLag;
  readonly catalog: Catalog;
  readonly registry: RetrieverRegistry;
}

/** What operators see of a node: read when asked, nothing is kept up to date for it. */
export class NodeStatus implements NodeStatusSource {
  readiness: NodeStatusSource["readiness"] = "starting";
  readonly #parts: NodeStatusParts;
  readonly #startedMs: number;

  constructor(parts: NodeStatusParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.monotonicMs();
  }

  read(): object {
    const { name, version, supervisor, modes, lag, catalog, registry } = this.#parts;
    return {
      node: name,
      version,
      readiness: this.readiness,
      mode: modes.read("store").mode,
      forced_mode: modes.board.current.forcedMode,
      uptime_s: Math.round(this.#uptimeSeconds()),
      collections: catalog.size,
      retrievers: registry.status(),
      event_loop_lag_ms: { p50: toMs(lag.quantile(0.5)), p99: toMs(lag.quantile(0.99)) },
      memory_bytes: process.memoryUsage().rss,
      children: supervisor.status().children,
      events: supervisor.events.recent(),
    };
  }

  /** Where the metrics of the whole node are read from at each scrape. */
  metricSources(embeddingCache: EmbeddingCache): MetricSources {
    const { supervisor, lag, registry, modes } = this.#parts;
    return {
      actors: () => supervisor.status(),
      eventLoopLagSeconds: (quantile) => lag.quantile(quantile),
      process: () => {
        const memory = process.memoryUsage();
        const { user, system } = process.cpuUsage();
        return {
          residentBytes: memory.rss,
          heapUsedBytes: memory.heapUsed,
          cpuSeconds: (user + system) / 1e6,
          uptimeSeconds: this.#uptimeSeconds(),
        };
      },
      caches: { answers: () => registry.status().answers, embeddings: () => embeddingCache.stats },
      retrievers: () => registry.status(),
      mode: () => modes.read("store").mode,
      modes: MODES,
      openJobs: () => 0,
    };
  }

  #uptimeSeconds(): number {
    return (this.#parts.clock.monotonicMs() - this.#startedMs) / 1_000;
  }
}

function toMs(seconds: number): number {
  return Math.round(seconds * 10_000) / 10;
}
