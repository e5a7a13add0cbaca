import { Counter, Histogram, type Registry } from "prom-client";
import { type BoundedLabels, OTHER } from "./bounded_labels.ts";
import { FAST_SECONDS } from "./buckets.ts";
import type { Metrics } from "./metrics.ts";
import { SeriesCounter, SeriesHistogram } from "./series.ts";

export function searchMetrics(registry: Registry, collections: BoundedLabels): Metrics["search"] & { forget(collection: string): void } {
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

export function retrieverMetrics(registry: Registry): Metrics["retriever"] {
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

export function chatMetrics(registry: Registry): Metrics["chat"] {
  const citations = new Counter({
    name: "kennel_chat_citations_total",
    help: "Citations in chat answers, by whether the cited passage supports them; dropped ones did not reach the caller",
    labelNames: ["outcome"],
    registers: [registry],
  });
  return { citations: (outcome, count) => citations.inc({ outcome }, count) };
}
