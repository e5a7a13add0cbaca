import { z } from "zod";
import { MODES } from "../../actors/retriever/search.ts";
import type { SupervisionEvent } from "../../supervisor/child.ts";
import { flagSchema } from "./flags.ts";
import { modeChangeSchema } from "./mode.ts";

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
  "memory_high",
  "memory_normal",
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
    pool: z
      .object({
        size: z.int(),
        idle: z.int(),
        in_use: z.int(),
        waiting: z.int(),
        limit: z.int().describe("Connections that there may be now: it follows how long calls wait and how many are used"),
        max: z.int(),
      })
      .optional()
      .describe("Connections of an external service's client; absent where it keeps none"),
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

const clusterSchema = z
  .object({
    connection: z
      .enum(["connecting", "connected", "isolated", "closed"])
      .describe("To NATS; `isolated`: cut off, and on its own until it is back"),
    is_name_taken: z.boolean().describe("Another node has this one's name and was there first: this one serves alone"),
    leader: z.string().nullable(),
    mode: z.string().describe("The worst that any node has, as the leader told last; empty: none has led yet"),
    epoch: z.int().describe("Of what the leader told last"),
    heartbeats: z
      .object({
        groups: z.int().describe("Groups that heartbeats belong to; 0: all nodes hear all"),
        speaks: z.boolean().describe("This node tells all others of its group"),
      })
      .describe("How nodes hear of each other, see `KENNEL_CLUSTER_MESH_NODES`"),
    nodes: z.array(
      z.object({
        node: z.string(),
        state: z.enum(["alive", "draining", "suspect", "dead", "left"]),
        since_s: z.number(),
        heard_s: z.number().describe("Seconds since its last heartbeat"),
        lag_ms: z.number().describe("How late its event loop is"),
        in_flight: z.int(),
        queue: z.int(),
        capacity: z.int(),
        collections: z.int().describe("That it can answer for without opening them"),
        url: z.string(),
      }),
    ),
    collections: z
      .array(
        z.object({
          collection: z.string(),
          nodes: z.array(z.string()).describe("Where it can be searched now"),
          owners: z.array(z.string()).describe("Where it is to be"),
        }),
      )
      .describe("Of those that are open somewhere, the first 200"),
    pending_moves: z.int().describe("Collections that this node looks at or opens because they are to be here"),
    queries: z.object({
      open: z.int(),
      queries: z.int(),
      forwarded: z.int().describe("How often another node was asked"),
      sends: z.record(z.string(), z.int()).describe("By reason: `first`, `retry`, `suspected`, `late`, `hedge`"),
      superfluous: z.int().describe("Answers that came after another one"),
    }),
    counts: z.record(z.string(), z.int()).describe("What should be rare, by kind"),
    configuration: z
      .object({
        state: z
          .enum(["off", "opening", "level", "away"])
          .describe("`level`: what is kept for all in JetStream is known here; `away`: it cannot be reached"),
        operators_epoch: z.int().describe("Of what operators have said to the cluster; 0: nothing"),
        keys: z.int().describe("Keys of collections and aliases that are known there"),
      })
      .describe("What nodes tell each other by a bucket of JetStream's"),
  })
  .meta({ id: "Cluster" });

const readinessSchema = z.enum(["ok", "starting", "draining"]);

const natsSchema = z
  .object({
    state: z.enum(["connecting", "connected", "isolated", "closed"]).describe("isolated: cut off; the node goes on over HTTP"),
    since: z.iso.datetime(),
    server: z.string().nullable().describe("The server's own name; null: there is no connection"),
    cause: z.string().nullable().describe("Why there is none, in the client's codes"),
    connections: z.int().describe("Made since the start, the first one included"),
    denied: z.array(z.string()).describe("What this node's user may not do, as publish SUBJECT"),
    service: z
      .enum(["running", "yields", "stopped"])
      .describe("Whether the service kennel is registered; yields: nodes with other stores were there first and answer"),
    captured: z
      .array(z.object({ subject: z.string(), stream: z.string() }))
      .nullable()
      .describe("Streams that capture questions, which then answer in Kennel's place: remove their subjects; null: not known"),
  })
  .meta({ id: "NatsStatus" });

export const statusSchema = z
  .object({
    node: z.string(),
    version: z.string(),
    readiness: readinessSchema,
    mode: z.enum(MODES).describe("What is left of the services; each answer carries its own collection's mode"),
    forced_mode: z.enum(MODES).nullable(),
    flags: z.array(flagSchema.omit({ object: true, description: true })).describe("What can be switched off while the node runs"),
    mode_changes: z.array(modeChangeSchema).describe("The last changes of the mode or of what has failed, newest last"),
    nats: natsSchema.nullable().describe("The connection to NATS; null: none is configured"),
    uptime_s: z.number(),
    collections: z.int().nullable().describe("Null while the document store has not been reached since the start"),
    retrievers: z.object({
      active: z.int(),
      max_active: z.int(),
      bytes: z.number(),
      shedding: z
        .object({ optional_work: z.int(), load: z.int() })
        .describe("Collections that miss their deadlines, by what they do without: optional phases, or a part of their queries"),
      answers: z.object({ hits: z.int(), misses: z.int(), entries: z.int(), bytes: z.number() }).describe("The result cache"),
      computing: z.int().describe("Questions being worked out; those who ask the same share one"),
      replaying: z.int().describe("Most asked questions that are still to be asked again after the start, to warm caches"),
    }),
    bulkheads: z
      .array(
        z.object({
          resource: z.string(),
          places: z.int().describe("Calls at once"),
          taken: z.int(),
          waiting: z.int(),
          tenants: z.int().describe("Collections that hold a place or wait for one"),
          refused: z.int().describe("Calls that found too many of their collection waiting, since the start"),
        }),
      )
      .describe("How collections share what the node has once"),
    hedging: z
      .object({ calls: z.int(), hedged: z.int(), won: z.int(), refused: z.int() })
      .describe(
        "Second attempts of slow reads since the start: calls, those with a second attempt, those it won, those the budget refused",
      ),
    event_loop_lag_ms: z.object({ p50: z.number(), p99: z.number() }),
    memory_bytes: z.int(),
    cluster: clusterSchema.nullable(),
    children: z.array(statusNodeSchema),
    events: z.array(supervisionEventSchema).describe("The last supervision events, newest last"),
  })
  .meta({ id: "Status" });

export const healthSchema = z.object({ status: readinessSchema }).meta({ id: "Health" });
