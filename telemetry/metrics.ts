import { Counter, Gauge, Registry } from "prom-client";
import { type AccessMetrics, accessMetrics } from "./access_metrics.ts";
import { BoundedLabels } from "./bounded_labels.ts";
import { type MetricSources, observeSources } from "./observed_metrics.ts";
import { toOpenMetrics } from "./open_metrics.ts";
import { httpMetrics, natsMetrics } from "./request_metrics.ts";
import { chatMetrics, retrieverMetrics, searchMetrics } from "./search_metrics.ts";
import { ingestMetrics, modelMetrics, storeMetrics, upkeepMetrics, urlFetchMetrics } from "./work_metrics.ts";

export interface MetricsOptions {
  readonly version: string;
  /** `deno 2.9.6`, `node 24.9.0` */
  readonly runtime: string;
  /** Collections with series of their own; the rest is counted under `_other`. */
  readonly maxCollections: number;
  /** Actors with series of their own. */
  readonly maxActors: number;
  /** Keys with series of their own, among those that have met their limits. */
  readonly maxKeys: number;
}

/** The trace that an observation was made in, and when, in wall time. */
export interface TraceMark {
  readonly id: string;
  readonly atMs: number;
}

/** Measurements of one node. Names end in their unit, labels have few values; there is no global registry. */
export interface Metrics {
  readonly http: {
    /** `route` is the route's pattern (`/v1/collections/:collection/search`), never the path; unknown routes are one. */
    answered(request: {
      readonly route: string;
      readonly method: string;
      readonly status: number;
      readonly durationMs: number;
      /** Null: it is not traced. */
      readonly trace: TraceMark | null;
    }): void;
    inFlight(change: 1 | -1): void;
  };
  readonly search: {
    answered(search: {
      readonly collection: string;
      readonly mode: string;
      readonly cache: string;
      readonly strategy: string;
      /** By phase, as in the answer. */
      readonly timingsMs: Readonly<Record<string, number>>;
    }): void;
    failed(collection: string, code: string): void;
    degraded(stage: string, reason: string): void;
  };
  readonly retriever: {
    activated(outcome: "ready" | "failed", durationMs: number): void;
    passivated(reason: string): void;
    /** What should be rare: candidates dropped, passages gone, notes of use without room. */
    count(event: string, amount: number): void;
  };
  readonly ingest: {
    documents(outcome: "indexed" | "unchanged" | "skipped" | "failed" | "deleted", count: number): void;
    chunks(count: number): void;
    /** Jobs that wait or run now. */
    openJobs(count: number): void;
    jobFinished(job: { readonly id: string; readonly status: string }, durationMs: number): void;
    /** A job of the nodes' queue was handed to this node although it had been handed out before. */
    redelivered(): void;
    /** A job was given up, and its id kept with the reason. */
    buried(): void;
    /** Steps of one batch: `parse`, `embed`, `store`, `index`. */
    step(step: string, durationMs: number): void;
  };
  readonly store: {
    called(call: { readonly store: string; readonly operation: string; readonly outcome: string; readonly durationMs: number }): void;
  };
  readonly model: {
    /** What a provider has counted, and what it costs by the price that is set. */
    used(use: { readonly model: string; readonly tokens: number; readonly dollars: number }): void;
  };
  readonly upkeep: {
    /** One run of a task ended. */
    ran(task: string, outcome: "ok" | "failed", durationMs: number): void;
  };
  readonly urlFetch: {
    /** A document that a caller has named by URL; `outcome`: `fetched`, or why not. */
    fetched(outcome: string, bytes: number): void;
  };
  readonly chat: {
    /** Marks in chat's answers, by whether their passage says what it is cited for. */
    citations(outcome: "supported" | "dropped", count: number): void;
  };
  readonly alerts: {
    raised(kind: string): void;
    /** What became of an alert that was to be posted. */
    told(outcome: string): void;
  };
  readonly nats: {
    /** What should be rare, by kind: `cut_off`, `late_reply`, `asker_gone`, … */
    count(event: string): void;
    /** `status`: that of HTTP. */
    answered(request: { readonly endpoint: string; readonly status: number; readonly durationMs: number }): void;
  };
  readonly access: AccessMetrics;
  /** Connects what is read at scrape time; once per node. */
  observe(sources: MetricSources): void;
  /** Ends the series of a collection that is gone, and makes room for another. */
  forgetCollection(collection: string): void;
  /** Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
  /** OpenMetrics, with traces of single observations. */
  renderOpen(): Promise<string>;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const collections = new BoundedLabels(options.maxCollections);
  const actors = new BoundedLabels(options.maxActors);
  const search = searchMetrics(registry, collections);
  const http = httpMetrics(registry);
  buildInfo(registry, options);
  return {
    http,
    search,
    retriever: retrieverMetrics(registry),
    ingest: ingestMetrics(registry),
    store: storeMetrics(registry),
    model: modelMetrics(registry),
    upkeep: upkeepMetrics(registry),
    urlFetch: urlFetchMetrics(registry),
    chat: chatMetrics(registry),
    alerts: alertMetrics(registry),
    nats: natsMetrics(registry),
    access: accessMetrics(registry, options.maxKeys),
    observe: (sources) => observeSources(registry, actors, sources),
    forgetCollection(collection) {
      if (collections.forget(collection)) search.forget(collection);
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
    renderOpen: async () => toOpenMetrics(await registry.metrics(), http.exemplars()),
  };
}

function alertMetrics(registry: Registry): Metrics["alerts"] {
  const registers = [registry];
  const raised = new Counter({
    name: "kennel_alerts_total",
    help: "Alerts raised by the node itself, by kind",
    labelNames: ["kind"],
    registers,
  });
  const told = new Counter({
    name: "kennel_alert_deliveries_total",
    help: "What became of alerts that were to be posted to the webhook",
    labelNames: ["outcome"],
    registers,
  });
  return { raised: (kind) => raised.inc({ kind }), told: (outcome) => told.inc({ outcome }) };
}

function buildInfo(registry: Registry, { version, runtime }: MetricsOptions): void {
  new Gauge({ name: "kennel_build_info", help: "Always 1", labelNames: ["version", "runtime"], registers: [registry] }).set(
    { version, runtime },
    1,
  );
}
