import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { FAST_SECONDS, SLOW_SECONDS } from "./buckets.ts";
import type { Metrics } from "./metrics.ts";

export function ingestMetrics(registry: Registry): Metrics["ingest"] {
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
    jobFinished({ status }, durationMs) {
      jobs.inc({ status });
      jobDuration.observe(durationMs / 1_000);
    },
    redelivered: () => redeliveries.inc(),
    buried: () => deadLetters.inc(),
    step: (step, durationMs) => steps.observe({ step }, durationMs / 1_000),
  };
}

export function urlFetchMetrics(registry: Registry): Metrics["urlFetch"] {
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

export function upkeepMetrics(registry: Registry): Metrics["upkeep"] {
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

export function storeMetrics(registry: Registry): Metrics["store"] {
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

export function modelMetrics(registry: Registry): Metrics["model"] {
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
