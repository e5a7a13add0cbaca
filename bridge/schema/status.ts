import { z } from "zod";
import { MODES } from "../../actors/retriever/search.ts";

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
    next_probe_at: z.iso.datetime().nullable(),
    last_error: z.string().nullable(),
    details: z.record(z.string(), z.unknown()).optional(),
    get children() {
      return z.array(statusNodeSchema);
    },
  })
  .meta({ id: "StatusNode" });

export const statusSchema = z
  .object({
    node: z.string(),
    version: z.string(),
    mode: z.enum(MODES),
    uptime_s: z.number(),
    children: z.array(statusNodeSchema),
  })
  .meta({ id: "Status" });

export const healthSchema = z.object({ status: z.enum(["ok", "starting", "draining"]) }).meta({ id: "Health" });
