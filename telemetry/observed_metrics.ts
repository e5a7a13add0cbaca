import { Counter, Gauge, type Registry } from "prom-client";
import { type ActorReading, registerActorMetrics } from "./actor_metrics.ts";
import type { BoundedLabels } from "./bounded_labels.ts";
import { type JobQueueReading, observeJobQueue } from "./job_queue_metrics.ts";
import { observeSharing } from "./sharing_metrics.ts";

/** What is read when somebody scrapes. Each reading must be cheap: it copies numbers that are there already. */
export interface MetricSources {
  readonly actors: () => ActorReading;
  readonly eventLoopLagSeconds: (quantile: number) => number;
  readonly process: () => {
    readonly residentBytes: number;
    /** The machine's memory, or the container's where that has less. */
    readonly limitBytes: number;
    readonly heapUsedBytes: number;
    readonly cpuSeconds: number;
    readonly uptimeSeconds: number;
  };
  readonly caches: Readonly<Record<string, () => CacheReading>>;
  readonly retrievers: () => { readonly active: number; readonly bytes: number; readonly shedding: Readonly<Record<string, number>> };
  readonly bulkheads: () => readonly {
    readonly resource: string;
    readonly places: number;
    readonly taken: number;
    readonly waiting: number;
    readonly refused: number;
  }[];
  readonly hedging: () => { readonly calls: number; readonly hedged: number; readonly won: number; readonly refused: number };
  /** The node's mode, one of `modes`. */
  readonly mode: () => string;
  readonly modes: readonly string[];
  /** Times that each mode was entered. */
  readonly modesEntered: () => ReadonlyMap<string, number>;
  readonly flags: () => readonly { readonly flag: string; readonly enabled: boolean }[];
  /** Null: the node's jobs are its own, in no queue; its reading is null while the queue is away. */
  readonly jobQueue: (() => JobQueueReading | null) | null;
  /** By what the node needs, whether it takes work. */
  readonly dependencies: () => Readonly<Record<string, boolean>>;
  /** What became of the spans of traces; absent: nothing is traced. */
  readonly spans?: () => { readonly exported: number; readonly dropped: number; readonly failed: number };
  /** Null: the node has no connection to NATS to keep. */
  readonly isNatsConnected: () => boolean | null;
}

export interface CacheReading {
  readonly hits: number;
  readonly misses: number;
  /** Null: it lies elsewhere, and nobody here knows. */
  readonly entries: number | null;
  readonly bytes: number | null;
}

const LAG_QUANTILES = [0.5, 0.99];

/** Registers everything that is read at scrape time instead of pushed. */
export function observeSources(registry: Registry, actors: BoundedLabels, sources: MetricSources): void {
  registerActorMetrics(registry, actors, sources.actors);
  observeProcess(registry, sources);
  observeCaches(registry, sources.caches);
  observeRetrieval(registry, sources);
  observeSharing(registry, sources);
  if (sources.jobQueue !== null) observeJobQueue(registry, sources.jobQueue);
  observeDependencies(registry, sources.dependencies);
  observeTracing(registry, sources.spans);
}

function observeDependencies(registry: Registry, read: MetricSources["dependencies"]): void {
  const up = new Gauge({
    name: "kennel_dependency_up",
    help: "1 while a service that the node needs takes work, 0 while its breaker is open or half open",
    labelNames: ["dependency"],
    registers: [registry],
    collect() {
      for (const [dependency, isUp] of Object.entries(read())) up.set({ dependency }, Number(isUp));
    },
  });
}

function observeTracing(registry: Registry, read: MetricSources["spans"]): void {
  if (read === undefined) return;
  const spans = new Counter({
    name: "kennel_trace_spans_total",
    help: "Spans that were sent (exported), that found the queue full (dropped), and that the collector did not take (failed)",
    labelNames: ["outcome"],
    registers: [registry],
    collect() {
      spans.reset();
      for (const [outcome, amount] of Object.entries(read())) spans.inc({ outcome }, amount);
    },
  });
}

function observeProcess(registry: Registry, sources: MetricSources): void {
  gauge(registry, "kennel_process_resident_bytes", "Memory of the process", () => sources.process().residentBytes);
  gauge(registry, "kennel_process_memory_limit_bytes", "Memory that the process may have", () => sources.process().limitBytes);
  gauge(registry, "kennel_process_heap_used_bytes", "JavaScript heap in use", () => sources.process().heapUsedBytes);
  gauge(registry, "kennel_process_uptime_seconds", "Time since the node started", () => sources.process().uptimeSeconds);
  counter(registry, "kennel_process_cpu_seconds_total", "Processor time, user and system", () => sources.process().cpuSeconds);
  const lag = new Gauge({
    name: "kennel_event_loop_lag_seconds",
    help: "How late timers fired, over the last 20 s",
    labelNames: ["quantile"],
    registers: [registry],
    collect() {
      for (const quantile of LAG_QUANTILES) lag.set({ quantile: String(quantile) }, sources.eventLoopLagSeconds(quantile));
    },
  });
}

function observeCaches(registry: Registry, caches: MetricSources["caches"]): void {
  const names = Object.keys(caches);
  const labelled = (labelNames: readonly string[]) => ({ labelNames: [...labelNames], registers: [registry] });
  const lookups = new Counter({
    name: "kennel_cache_lookups_total",
    help: "Look-ups by cache and result",
    ...labelled(["cache", "result"]),
    collect() {
      lookups.reset();
      for (const cache of names) {
        const { hits, misses } = (caches[cache] as () => CacheReading)();
        lookups.inc({ cache, result: "hit" }, hits);
        lookups.inc({ cache, result: "miss" }, misses);
      }
    },
  });
  for (const [name, help, field] of [
    ["kennel_cache_entries", "Entries by cache", "entries"],
    ["kennel_cache_bytes", "Memory by cache", "bytes"],
  ] as const) {
    const size = new Gauge({
      name,
      help,
      ...labelled(["cache"]),
      collect() {
        for (const cache of names) {
          const value = (caches[cache] as () => CacheReading)()[field];
          if (value !== null) size.set({ cache }, value);
        }
      },
    });
  }
}

function observeRetrieval(registry: Registry, sources: MetricSources): void {
  gauge(registry, "kennel_retrievers_active", "Retrievers in memory", () => sources.retrievers().active);
  gauge(registry, "kennel_retriever_bytes", "Memory of all retrievers, as they count it", () => sources.retrievers().bytes);
  const shedding = new Gauge({
    name: "kennel_collections_shedding",
    help: "Collections that miss their deadlines, by what they do without",
    labelNames: ["what"],
    registers: [registry],
    collect() {
      for (const [what, collections] of Object.entries(sources.retrievers().shedding)) shedding.set({ what }, collections);
    },
  });
  if (sources.isNatsConnected() !== null) {
    gauge(registry, "kennel_nats_connected", "1 while there is a connection to NATS", () => Number(sources.isNatsConnected() ?? false));
  }
  const flags = new Gauge({
    name: "kennel_flag",
    help: "1 while the flag is on, 0 while it is switched off",
    labelNames: ["flag"],
    registers: [registry],
    collect() {
      for (const { flag, enabled } of sources.flags()) flags.set({ flag }, Number(enabled));
    },
  });
  const mode = new Gauge({
    name: "kennel_mode",
    help: "1 for the mode that holds, 0 for the others",
    labelNames: ["mode"],
    registers: [registry],
    collect() {
      const current = sources.mode();
      for (const name of sources.modes) mode.set({ mode: name }, name === current ? 1 : 0);
    },
  });
  const entered = new Counter({
    name: "kennel_mode_changes_total",
    help: "Times that a mode was entered",
    labelNames: ["mode"],
    registers: [registry],
    collect() {
      entered.reset();
      for (const [name, times] of sources.modesEntered()) entered.inc({ mode: name }, times);
    },
  });
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const metric = new Gauge({ name, help, registers: [registry], collect: (): void => metric.set(read()) });
}

/** A total that is kept elsewhere. */
function counter(registry: Registry, name: string, help: string, read: () => number): void {
  const metric = new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      metric.reset();
      metric.inc(read());
    },
  });
}
