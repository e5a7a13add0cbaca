import { Counter, Gauge, type Registry } from "prom-client";
import type { MetricSources } from "./observed_metrics.ts";

/** How collections share what a node has once, and what second attempts came to; read at scrape time. */
export function observeSharing(registry: Registry, { bulkheads, hedging }: Pick<MetricSources, "bulkheads" | "hedging">): void {
  const labelled = { labelNames: ["resource"], registers: [registry] };
  for (const [name, help, field] of [
    ["kennel_bulkhead_places", "Calls at once that a shared resource takes", "places"],
    ["kennel_bulkhead_taken", "Calls that it works on", "taken"],
    ["kennel_bulkhead_waiting", "Calls that wait for a place", "waiting"],
  ] as const) {
    const gauge = new Gauge({
      name,
      help,
      ...labelled,
      collect() {
        for (const bulkhead of bulkheads()) gauge.set({ resource: bulkhead.resource }, bulkhead[field]);
      },
    });
  }
  const refused = new Counter({
    name: "kennel_bulkhead_refused_total",
    help: "Calls that found too many of their collection waiting",
    ...labelled,
    collect() {
      refused.reset();
      for (const bulkhead of bulkheads()) refused.inc({ resource: bulkhead.resource }, bulkhead.refused);
    },
  });
  const hedges = new Counter({
    name: "kennel_hedges_total",
    help: "Reads that may have a second attempt (calls), those that had one (hedged), that it won, and that the budget refused",
    labelNames: ["outcome"],
    registers: [registry],
    collect() {
      hedges.reset();
      for (const [outcome, amount] of Object.entries(hedging())) hedges.inc({ outcome }, amount);
    },
  });
}
