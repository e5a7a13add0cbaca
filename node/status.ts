import process from "node:process";
import type { ModeBoard } from "../actors/coordinator/coordinator.ts";
import type { ModeLog } from "../actors/coordinator/mode_log.ts";
import type { Modes } from "../actors/coordinator/modes.ts";
import type { Catalog } from "../actors/document_store/catalog.ts";
import type { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import { MODES, type Mode } from "../actors/retriever/search.ts";
import type { FlagControl, NodeStatusSource } from "../bridge/http/collaborators.ts";
import type { NatsBridge } from "../bridge/nats/nats_bridge.ts";
import type { JetStreamJobs } from "../cluster/nats/jobs/jetstream_jobs.ts";
import type { Clock } from "../runtime/clock.ts";
import { readMemory } from "../runtime/memory.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { EventLoopLag } from "../telemetry/event_loop_lag.ts";
import type { MetricSources } from "../telemetry/observed_metrics.ts";
import type { Tracer } from "../telemetry/tracing.ts";
import type { Services } from "./services.ts";

export interface NodeStatusParts {
  readonly name: string;
  readonly version: string;
  readonly clock: Clock;
  readonly supervisor: Supervisor;
  readonly services: Pick<Services, "bulkheads" | "hedgeBudget" | "roles">;
  readonly modes: Modes & { readonly board: ModeBoard };
  readonly modeLog: ModeLog;
  readonly flags: Pick<FlagControl, "list">;
  readonly lag: EventLoopLag;
  readonly tracer: Tracer;
  readonly catalog: Catalog;
  readonly registry: RetrieverRegistry;
  /** Null: the node has no NATS. */
  readonly nats: NatsBridge | null;
  /** Null: this node's jobs are its own. */
  readonly jobQueue: JetStreamJobs | null;
  /** Null: this node is in no cluster. */
  readonly describeCluster: () => object | null;
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
    const { name, version, supervisor, services, modes, modeLog, lag, catalog, registry, nats } = this.#parts;
    return {
      node: name,
      version,
      readiness: this.readiness,
      mode: this.#mode(),
      forced_mode: modes.board.current.forcedMode,
      flags: this.#parts.flags.list().map(({ description: _description, ...state }) => state),
      mode_changes: modeLog.recent,
      nats: nats?.status() ?? null,
      uptime_s: Math.round(this.#uptimeSeconds()),
      collections: catalog.isLoaded ? catalog.size : null,
      retrievers: registry.status(),
      bulkheads: services.bulkheads.map(({ status }) => status),
      hedging: services.hedgeBudget.stats,
      event_loop_lag_ms: { p50: toMs(lag.quantile(0.5)), p99: toMs(lag.quantile(0.99)) },
      memory_bytes: process.memoryUsage().rss,
      cluster: this.#parts.describeCluster(),
      children: supervisor.status().children,
      events: supervisor.events.recent(),
    };
  }

  /** Where the metrics of the whole node are read from at each scrape. */
  metricSources(caches: MetricSources["caches"]): MetricSources {
    const { supervisor, services, lag, registry, modeLog, nats, jobQueue, tracer } = this.#parts;
    return {
      actors: () => supervisor.status(),
      eventLoopLagSeconds: (quantile) => lag.quantile(quantile),
      process: () => {
        const { heapUsed } = process.memoryUsage();
        const { usedBytes, limitBytes } = readMemory();
        const { user, system } = process.cpuUsage();
        return {
          residentBytes: usedBytes,
          limitBytes,
          heapUsedBytes: heapUsed,
          cpuSeconds: (user + system) / 1e6,
          uptimeSeconds: this.#uptimeSeconds(),
        };
      },
      caches: { answers: () => registry.status().answers, ...caches },
      retrievers: () => registry.status(),
      bulkheads: () => services.bulkheads.map(({ status }) => status),
      hedging: () => services.hedgeBudget.stats,
      mode: () => this.#mode(),
      modes: MODES,
      flags: () => this.#parts.flags.list(),
      modesEntered: () => modeLog.entered,
      jobQueue: jobQueue === null ? null : () => jobQueue.reading,
      dependencies: () => Object.fromEntries([...services.roles].map(([role, { isAvailable }]) => [role, isAvailable])),
      ...(tracer.isOn ? { spans: () => tracer.stats } : {}),
      isNatsConnected: () => (nats === null ? null : nats.link.isConnected),
    };
  }

  /** Where it is not known which collections there are, nothing is left of any. */
  #mode(): Mode {
    const { modes, catalog } = this.#parts;
    return catalog.isLoaded ? modes.read("store", false).mode : "down";
  }

  #uptimeSeconds(): number {
    return (this.#parts.clock.monotonicMs() - this.#startedMs) / 1_000;
  }
}

function toMs(seconds: number): number {
  return Math.round(seconds * 10_000) / 10;
}
