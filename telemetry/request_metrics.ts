import { Gauge, type Registry } from "prom-client";
import { FAST_SECONDS } from "./buckets.ts";
import type { Metrics } from "./metrics.ts";
import type { Exemplar } from "./open_metrics.ts";
import { SeriesCounter, SeriesHistogram } from "./series.ts";

export function httpMetrics(registry: Registry): Metrics["http"] & { exemplars(): ReadonlyMap<string, Exemplar> } {
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
      if (trace !== null) duration.exemplify({ traceId: trace.id, value: durationMs / 1_000, at: trace.atMs / 1_000 }, route);
    },
    inFlight(change) {
      open += change;
    },
    exemplars: () => duration.exemplars(),
  };
}

export function natsMetrics(registry: Registry): Metrics["nats"] {
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
