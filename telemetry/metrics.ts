import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type AccessMetrics, accessMetrics } from "./access_metrics.ts";
import { BoundedLabels, OTHER } from "./bounded_labels.ts";
import { type MetricSources, observeSources } from "./observed_metrics.ts";
import { type Exemplar, toOpenMetrics } from "./open_metrics.ts";
import { SeriesCounter, SeriesHistogram } from "./series.ts";

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
      readonly trace?: TraceMark;
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
    jobFinished(status: string, durationMs: number): void;
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

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SLOW_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800];

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
    renderOpen: async () => toOpenMetrics(await registry.metrics(), http.exemplarOf),
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

function natsMetrics(registry: Registry): Metrics["nats"] {
  const events = new SeriesCounter({
    name: "kennel_nats_events_total",
    help: "What goes wrong between this node and NATS, by kind",
    labelNames: ["event"],
    registry,
  });
  const requests = new SeriesCounter({
    name: "kennel_nats_requests_total",
    help: "Requests of the service answered, by endpoint and status",
    labelNames: ["endpoint", "status"],
    registry,
  });
  const duration = new SeriesHistogram({
    name: "kennel_nats_request_duration_seconds",
    help: "From a message's arrival to the end of its answer",
    labelNames: ["endpoint"],
    bounds: FAST_SECONDS,
    registry,
  });
  return {
    count: (event) => events.increment(event),
    answered({ endpoint, status, durationMs }) {
      requests.increment(endpoint, String(status));
      duration.observe(durationMs / 1_000, endpoint);
    },
  };
}

function chatMetrics(registry: Registry): Metrics["chat"] {
  const citations = new Counter({
    name: "kennel_chat_citations_total",
    help: "Citations in chat answers, by whether the cited passage supports them; dropped ones did not reach the caller",
    labelNames: ["outcome"],
    registers: [registry],
  });
  return { citations: (outcome, count) => citations.inc({ outcome }, count) };
}

function httpMetrics(registry: Registry): Metrics["http"] & { exemplarOf(series: string): Exemplar | null } {
  const requests = new SeriesCounter({
    name: "kennel_http_requests_total",
    help: "Requests answered, by route pattern and status",
    labelNames: ["route", "method", "status"],
    registry,
  });
  const duration = new SeriesHistogram({
    name: "kennel_http_request_duration_seconds",
    help: "From the request's head to the answer's end",
    labelNames: ["route"],
    bounds: FAST_SECONDS,
    registry,
  });
  let open = 0;
  const gauge = new Gauge({
    name: "kennel_http_requests_in_flight",
    help: "Requests being answered",
    registers: [registry],
    collect: (): void => gauge.set(open),
  });
  return {
    answered({ route, method, status, durationMs, trace }) {
      requests.increment(route, method, String(status));
      duration.observe(durationMs / 1_000, route);
      if (trace !== undefined) duration.exemplify({ traceId: trace.id, value: durationMs / 1_000, at: trace.atMs / 1_000 }, route);
    },
    inFlight(change) {
      open += change;
    },
    exemplarOf: (series) => duration.exemplarOf(series),
  };
}

function searchMetrics(registry: Registry, collections: BoundedLabels): Metrics["search"] & { forget(collection: string): void } {
  const searches = new SeriesCounter({
    name: "kennel_searches_total",
    help: "Searches answered, by collection, mode and what the result cache did",
    labelNames: ["collection", "mode", "cache"],
    registry,
  });
  const strategies = new SeriesCounter({
    name: "kennel_search_strategies_total",
    help: "Searches by strategy",
    labelNames: ["strategy"],
    registry,
  });
  const failures = new SeriesCounter({
    name: "kennel_search_failures_total",
    help: "Searches that failed, by collection and error code",
    labelNames: ["collection", "code"],
    registry,
  });
  const degradations = new SeriesCounter({
    name: "kennel_search_degradations_total",
    help: "What answers went without",
    labelNames: ["stage", "reason"],
    registry,
  });
  const phases = new SeriesHistogram({
    name: "kennel_search_phase_duration_seconds",
    help: "Time of each phase of a search, `total` included",
    labelNames: ["phase"],
    bounds: FAST_SECONDS,
    registry,
  });
  return {
    answered({ collection, mode, cache, strategy, timingsMs }) {
      searches.increment(collections.label(collection), mode, cache);
      strategies.increment(strategy);
      for (const phase in timingsMs) phases.observe((timingsMs[phase] as number) / 1_000, phase);
    },
    failed(collection, code) {
      // A name that does not exist must not take a series.
      failures.increment(code === "not_found" ? OTHER : collections.label(collection), code);
    },
    degraded: (stage, reason) => degradations.increment(stage, reason),
    forget(collection) {
      searches.drop(collection);
      failures.drop(collection);
    },
  };
}

function retrieverMetrics(registry: Registry): Metrics["retriever"] {
  const registers = [registry];
  const activations = new Counter({
    name: "kennel_retriever_activations_total",
    help: "Retrievers brought into memory",
    labelNames: ["outcome"],
    registers,
  });
  const duration = new Histogram({
    name: "kennel_retriever_activation_duration_seconds",
    help: "Time until an activated retriever was ready",
    buckets: FAST_SECONDS,
    registers,
  });
  const passivations = new Counter({
    name: "kennel_retriever_passivations_total",
    help: "Retrievers let go, by reason",
    labelNames: ["reason"],
    registers,
  });
  const events = new Counter({
    name: "kennel_retriever_events_total",
    help: "What happens in retrievers beside answering, by kind",
    labelNames: ["event"],
    registers,
  });
  return {
    activated(outcome, durationMs) {
      activations.inc({ outcome });
      if (outcome === "ready") duration.observe(durationMs / 1_000);
    },
    passivated: (reason) => passivations.inc({ reason }),
    count: (event, amount) => events.inc({ event }, amount),
  };
}

function ingestMetrics(registry: Registry): Metrics["ingest"] {
  const registers = [registry];
  const documents = new Counter({
    name: "kennel_ingest_documents_total",
    help: "Documents by what became of them",
    labelNames: ["outcome"],
    registers,
  });
  const chunks = new Counter({ name: "kennel_ingest_chunks_total", help: "Chunks written to the index", registers });
  let open = 0;
  const openJobs = new Gauge({
    name: "kennel_ingest_open_jobs",
    help: "Jobs that wait or run",
    registers,
    collect: (): void => openJobs.set(open),
  });
  const jobs = new Counter({ name: "kennel_ingest_jobs_total", help: "Jobs that ended, by status", labelNames: ["status"], registers });
  const redeliveries = new Counter({
    name: "kennel_ingest_redeliveries_total",
    help: "Jobs taken that had been handed out before",
    registers,
  });
  const deadLetters = new Counter({ name: "kennel_ingest_dead_letters_total", help: "Jobs that were given up", registers });
  const jobDuration = new Histogram({
    name: "kennel_ingest_job_duration_seconds",
    help: "From a job's acceptance to its end",
    buckets: SLOW_SECONDS,
    registers,
  });
  const steps = new Histogram({
    name: "kennel_ingest_step_duration_seconds",
    help: "Time of each step of one batch",
    labelNames: ["step"],
    buckets: SLOW_SECONDS,
    registers,
  });
  return {
    documents: (outcome, count) => documents.inc({ outcome }, count),
    chunks: (count) => chunks.inc(count),
    openJobs(count) {
      open = count;
    },
    jobFinished(status, durationMs) {
      jobs.inc({ status });
      jobDuration.observe(durationMs / 1_000);
    },
    redelivered: () => redeliveries.inc(),
    buried: () => deadLetters.inc(),
    step: (step, durationMs) => steps.observe({ step }, durationMs / 1_000),
  };
}

function storeMetrics(registry: Registry): Metrics["store"] {
  const registers = [registry];
  const calls = new Counter({
    name: "kennel_store_calls_total",
    help: "Calls to stores and models, by outcome (`ok` or an error code)",
    labelNames: ["store", "operation", "outcome"],
    registers,
  });
  const duration = new Histogram({
    name: "kennel_store_call_duration_seconds",
    help: "Time of each call to a store or model",
    labelNames: ["store", "operation"],
    buckets: FAST_SECONDS,
    registers,
  });
  return {
    called({ store, operation, outcome, durationMs }) {
      calls.inc({ store, operation, outcome });
      duration.observe({ store, operation }, durationMs / 1_000);
    },
  };
}

function modelMetrics(registry: Registry): Metrics["model"] {
  const labelled = { labelNames: ["model"], registers: [registry] };
  const tokens = new Counter({ name: "kennel_model_tokens_total", help: "Tokens that providers of models have counted", ...labelled });
  const cost = new Counter({
    name: "kennel_model_cost_dollars_total",
    help: "What those tokens cost by the price that is set",
    ...labelled,
  });
  return {
    used(use) {
      tokens.inc({ model: use.model }, use.tokens);
      cost.inc({ model: use.model }, use.dollars);
    },
  };
}

function upkeepMetrics(registry: Registry): Metrics["upkeep"] {
  const registers = [registry];
  const runs = new Counter({
    name: "kennel_upkeep_runs_total",
    help: "Runs of the janitor's tasks, by how they ended",
    labelNames: ["task", "outcome"],
    registers,
  });
  const lastSuccess = new Gauge({
    name: "kennel_upkeep_last_success_timestamp_seconds",
    help: "When each task last ran well, in Unix time",
    labelNames: ["task"],
    registers,
  });
  const seconds = new Counter({ name: "kennel_upkeep_seconds_total", help: "Time that tasks took", labelNames: ["task"], registers });
  return {
    ran(task, outcome, durationMs) {
      runs.inc({ task, outcome });
      seconds.inc({ task }, durationMs / 1_000);
      if (outcome === "ok") lastSuccess.setToCurrentTime({ task });
    },
  };
}

function urlFetchMetrics(registry: Registry): Metrics["urlFetch"] {
  const registers = [registry];
  const fetches = new Counter({
    name: "kennel_url_fetches_total",
    help: "Documents asked for by URL, by what came of it: fetched, or the reason why not",
    labelNames: ["outcome"],
    registers,
  });
  const bytes = new Counter({ name: "kennel_url_fetched_bytes_total", help: "Bytes of documents fetched by URL, unpacked", registers });
  return {
    fetched(outcome, count) {
      fetches.inc({ outcome });
      bytes.inc(count);
    },
  };
}

function buildInfo(registry: Registry, { version, runtime }: MetricsOptions): void {
  new Gauge({ name: "kennel_build_info", help: "Always 1", labelNames: ["version", "runtime"], registers: [registry] }).set(
    { version, runtime },
    1,
  );
}
