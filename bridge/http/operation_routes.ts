import { z } from "zod";
import { OPEN_METRICS_TYPE } from "../../telemetry/open_metrics.ts";
import { healthSchema, statusSchema } from "../schema/status.ts";
import { json } from "./answer.ts";
import type { MetricsExposition, NodeStatusSource } from "./collaborators.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly status: NodeStatusSource;
  readonly exposition: MetricsExposition;
  readonly limits: BridgeLimits;
}

/** What is asked most when a node is in trouble: answered also while it is overloaded or drains. */
const OPERATION = { method: "GET", kind: "operation", maxBodyBytes: 0 } as const;
const FRESH = { "cache-control": "no-store" } as const;

const EXAMPLE_STATUS = {
  node: "kennel-1",
  version: "0.1.0",
  readiness: "ok",
  mode: "full",
  forced_mode: null,
  flags: [{ flag: "hedging", enabled: true, default: true, source: "settings", reason: null, since: null, node: null }],
  mode_changes: [{ at: "2026-01-05T09:29:58.000Z", mode: "full", before: "lexical", is_forced: false, failed: [] }],
  nats: {
    state: "connected",
    since: "2026-01-05T09:28:34.000Z",
    server: "n1",
    cause: null,
    connections: 1,
    denied: [],
    service: "running",
    captured: [],
  },
  cluster: null,
  uptime_s: 86,
  collections: 3,
  retrievers: {
    active: 1,
    max_active: 256,
    bytes: 4_194_304,
    shedding: { optional_work: 0, load: 0 },
    answers: { hits: 12, misses: 30, entries: 30, bytes: 65_536 },
    computing: 0,
    replaying: 0,
  },
  bulkheads: [{ resource: "vector_store", places: 8, taken: 1, waiting: 0, tenants: 1, refused: 0 }],
  hedging: { calls: 0, hedged: 0, won: 0, refused: 0 },
  event_loop_lag_ms: { p50: 0.4, p99: 3.1 },
  memory_bytes: 181_403_648,
  children: [
    {
      path: "kennel/retrievers/docs",
      kind: "retriever",
      state: "ready",
      since: "2026-01-05T09:30:00.000Z",
      incarnation: 1,
      restarts: { count: 0, max: 5, window_s: 30 },
      breaker: "closed",
      mailbox: { depth: 0, capacity: 1_000, oldest_ms: 0 },
      in_flight: 1,
      latency_ms: { p50: 1.8, p95: 3.1, p99: 4.4 },
      counts: { ok: 42, failed: 0, slow: 0, expired: 0, cancelled: 0, rejected: 0 },
      next_probe_at: null,
      last_error: null,
      children: [],
    },
  ],
  events: [{ at: "2026-01-05T09:30:00.000Z", path: "kennel-1/retrievers/docs", event: "ready", detail: null }],
};

export function operationRoutes(parts: Parts): readonly Route[] {
  return [getStatus(parts), getHealth(parts), getReadiness(parts), getMetrics(parts)];
}

function getStatus({ status, limits }: Parts): Route {
  return {
    ...OPERATION,
    path: "/v1/status",
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getStatus",
      summary: "Show the tree of supervised parts with their states",
      tag: "operations",
      parameters: [],
      request: null,
      answers: { 200: jsonAnswer("The node's status", statusSchema, EXAMPLE_STATUS) },
      errors: [],
    },
    handle: () => json(200, status.read(), FRESH),
  };
}

function getHealth({ limits }: Parts): Route {
  return {
    ...OPERATION,
    path: "/healthz",
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getHealth",
      summary: "Whether the process answers at all",
      tag: "operations",
      parameters: [],
      request: null,
      answers: { 200: jsonAnswer("It does", healthSchema, { status: "ok" }) },
      errors: [],
    },
    handle: () => json(200, { status: "ok" }, FRESH),
  };
}

function getReadiness({ status, limits }: Parts): Route {
  return {
    ...OPERATION,
    path: "/readyz",
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getReadiness",
      summary:
        "Whether the node wants traffic: started and not draining, whatever its dependencies do. In a cluster a node has started once it knows the collections",
      tag: "operations",
      parameters: [],
      request: null,
      answers: {
        200: jsonAnswer("It is ready", healthSchema, { status: "ok" }),
        503: jsonAnswer("It starts or drains", healthSchema, { status: "draining" }),
      },
      errors: [],
    },
    handle: () => json(status.readiness === "ok" ? 200 : 503, { status: status.readiness }, FRESH),
  };
}

function getMetrics({ exposition, limits }: Parts): Route {
  return {
    ...OPERATION,
    path: "/metrics",
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getMetrics",
      summary: "Show measurements in Prometheus' text format",
      tag: "operations",
      parameters: [],
      request: null,
      answers: {
        200: {
          description: "The measurements",
          mediaType: "text/plain",
          schema: z.string(),
          example: "# TYPE kennel_http_requests_in_flight gauge\nkennel_http_requests_in_flight 0\n",
        },
      },
      errors: [],
    },
    async handle({ request }) {
      const { renderOpen } = exposition;
      if (renderOpen !== undefined && request.headers.get("accept")?.includes("application/openmetrics-text") === true)
        return { status: 200, body: await renderOpen(), headers: { "content-type": OPEN_METRICS_TYPE, ...FRESH } };
      return { status: 200, body: await exposition.render(), headers: { "content-type": exposition.contentType, ...FRESH } };
    },
  };
}
