import { z } from "zod";
import type { TaskReport } from "../../actors/janitor/upkeep_task.ts";
import {
  fromUsage,
  parseUpkeep,
  parseUsageLimit,
  upkeepListSchema,
  upkeepRequestSchema,
  upkeepTaskSchema,
  usageListSchema,
} from "../schema/upkeep.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { UpkeepControl } from "./collaborators.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly upkeep: UpkeepControl;
  readonly limits: BridgeLimits;
}

const FRESH = { "cache-control": "no-store" } as const;

const EXAMPLE_TASK = {
  object: "upkeep_task",
  task: "optimize_indexes",
  is_paused: false,
  is_running: false,
  runs: 12,
  failures: 0,
  last_run_at: "2026-01-05T09:45:00.000Z",
  last_duration_ms: 41,
  last_count: 1,
  total: 3,
  last_error: null,
  next_run_at: "2026-01-05T09:46:02.000Z",
};
const EXAMPLE_USAGE = {
  object: "collection_usage",
  collection: "docs",
  searches: 1_204,
  first_at: "2026-01-01T08:00:00.000Z",
  last_at: "2026-01-05T09:45:00.000Z",
  days: { "2026-01-04": 804, "2026-01-05": 400 },
};

const toWire = (report: TaskReport) => ({ object: "upkeep_task" as const, ...report });

export function upkeepRoutes({ upkeep, limits }: Parts): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v1/upkeep",
      kind: "operation",
      maxBodyBytes: 0,
      timeoutMs: limits.defaultTimeoutMs,
      description: {
        operationId: "listUpkeep",
        summary: "List what this node does to keep itself in order, with how each task went and when it is due",
        tag: "operations",
        parameters: [],
        request: null,
        answers: { 200: jsonAnswer("The tasks", upkeepListSchema, { object: "list", data: [EXAMPLE_TASK] }) },
        errors: ["unavailable"],
      },
      handle(exchange) {
        exchange.refuseQuery();
        return json(200, { object: "list", data: upkeep.list().map(toWire) }, FRESH);
      },
    },
    {
      method: "POST",
      path: "/v1/upkeep/{task}",
      kind: "operation",
      maxBodyBytes: limits.maxBodyBytes,
      timeoutMs: limits.defaultWriteTimeoutMs,
      description: {
        operationId: "controlUpkeep",
        summary: "Run a task of this node now, pause it, or resume it; a run is answered when it has ended",
        tag: "operations",
        parameters: [{ name: "task", in: "path", description: "The task's name", schema: z.string().max(64), example: "optimize_indexes" }],
        request: { isRequired: true, content: { [JSON_TYPE]: { schema: upkeepRequestSchema, example: { action: "pause" } } } },
        answers: { 200: jsonAnswer("How the task stands now", upkeepTaskSchema, EXAMPLE_TASK) },
        errors: ["invalid_request", "not_found", "payload_too_large", "unsupported_media_type", "unavailable"],
      },
      async handle(exchange) {
        const task = exchange.param("task");
        exchange.refuseQuery();
        const action = parseUpkeep(await exchange.json());
        return json(200, toWire(await upkeep[action](task, exchange.signal)), FRESH);
      },
    },
    {
      method: "GET",
      path: "/v1/usage",
      kind: "operation",
      maxBodyBytes: 0,
      timeoutMs: limits.defaultTimeoutMs,
      description: {
        operationId: "getUsage",
        summary: "Show how often each collection was searched on this node, the most searched of the last 30 days first",
        tag: "operations",
        parameters: [{ name: "limit", in: "query", description: "Collections shown", schema: z.int().min(1).max(1_000).default(100) }],
        request: null,
        answers: { 200: jsonAnswer("The collections", usageListSchema, { object: "list", data: [EXAMPLE_USAGE] }) },
        errors: ["invalid_request"],
      },
      handle: (exchange) => json(200, { object: "list", data: upkeep.usage(parseUsageLimit(exchange.query())).map(fromUsage) }, FRESH),
    },
  ];
}
