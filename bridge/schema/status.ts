import { z } from "zod";
import { MODES } from "../../actors/retriever/search.ts";
import type { SupervisionEvent } from "../../supervisor/child.ts";

const SUPERVISION_EVENTS = [
  "started",
  "crashed",
  "restarted",
  "suspended",
  "probing",
  "ready",
  "probe_failed",
  "draining",
  "stopped",
  "escalated",
] as const satisfies readonly SupervisionEvent["event"][];

export const statusNodeSchema = z
  .object({
    path: z.string(),
    kind: z.string(),
    state: z.enum(["starting", "ready", "suspended", "probing", "draining", "stopped"]),
    since: z.iso.datetime(),
    incarnation: z.int(),
    restarts: z.object({ count: z.int(), max: z.int(), window_s: z.number() }),
    breaker: z.enum(["closed", "open", "half_open"]),
    mailbox: z.object({ depth: z.int(), capacity: z.int(), oldest_ms: z.number() }),
    in_flight: z.int(),
    latency_ms: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }),
    counts: z
      .object({ ok: z.int(), failed: z.int(), slow: z.int(), expired: z.int(), cancelled: z.int(), rejected: z.int() })
      .optional()
      .describe("Messages by how they ended; slow ones are among the others. Absent for a supervisor"),
    next_probe_at: z.iso.datetime().nullable(),
    last_error: z.string().nullable(),
    details: z.record(z.string(), z.unknown()).optional(),
    get children() {
      return z.array(statusNodeSchema);
    },
  })
  .meta({ id: "StatusNode" });

const supervisionEventSchema = z
  .object({
    at: z.iso.datetime(),
    path: z.string(),
    event: z.enum(SUPERVISION_EVENTS),
    detail: z.string().nullable(),
  })
  .meta({ id: "SupervisionEvent" });

const readinessSchema = z.enum(["ok", "starting", "draining"]);

export const statusSchema = z
  .object({
    node: z.string(),
    version: z.string(),
    readiness: readinessSchema,
    mode: z.enum(MODES).describe("What is left of the services; each answer carries its own collection's mode"),
    forced_mode: z.enum(MODES).nullable(),
    uptime_s: z.number(),
    collections: z.int(),
    retrievers: z.object({
      active: z.int(),
      max_active: z.int(),
      bytes: z.number(),
      answers: z.object({ hits: z.int(), misses: z.int(), entries: z.int(), bytes: z.number() }).describe("The result cache"),
      computing: z.int().describe("Questions being worked out; those who ask the same share one"),
    }),
    event_loop_lag_ms: z.object({ p50: z.number(), p99: z.number() }),
    memory_bytes: z.int(),
    children: z.array(statusNodeSchema),
    events: z.array(supervisionEventSchema).describe("The last supervision events, newest last"),
  })
  .meta({ id: "Status" });

export const healthSchema = z.object({ status: readinessSchema }).meta({ id: "Health" });
