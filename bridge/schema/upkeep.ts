import { z } from "zod";
import type { CollectionUsage } from "../../actors/janitor/usage.ts";
import { toLimit } from "./pages.ts";
import { isoTime } from "./times.ts";
import { refuse, strictObject, validate } from "./validate.ts";

const UPKEEP_ACTIONS = ["run", "pause", "resume"] as const;
export type UpkeepAction = (typeof UPKEEP_ACTIONS)[number];

export const upkeepRequestSchema = strictObject({
  action: z
    .enum(UPKEEP_ACTIONS)
    .describe("run: now, paused or not; pause: begin nothing until it is resumed or the node starts anew; resume: go on"),
}).meta({ id: "UpkeepRequest" });

/** Throws `invalid_request`. */
export function parseUpkeep(body: unknown): UpkeepAction {
  return validate(upkeepRequestSchema, body).action;
}

export const upkeepTaskSchema = z
  .object({
    object: z.literal("upkeep_task"),
    task: z.string(),
    is_paused: z.boolean(),
    is_running: z.boolean(),
    runs: z.int(),
    failures: z.int(),
    last_run_at: z.iso.datetime().nullable(),
    last_duration_ms: z.int(),
    last_count: z.int().describe("Things dealt with in the last run"),
    total: z.int().describe("And since the start"),
    last_error: z.string().nullable().describe("Null: the last run went well"),
    next_run_at: z.iso.datetime().nullable().describe("Null while it runs or is paused"),
  })
  .meta({ id: "UpkeepTask" });

export const upkeepListSchema = z.object({ object: z.literal("list"), data: z.array(upkeepTaskSchema) }).meta({ id: "UpkeepTasks" });

const usageSchema = z
  .object({
    object: z.literal("collection_usage"),
    collection: z.string(),
    searches: z.int().describe("Asked by callers on this node, since it was first counted"),
    first_at: z.iso.datetime(),
    last_at: z.iso.datetime(),
    days: z.record(z.string(), z.int()).describe("By day (UTC), the last 30 with any"),
  })
  .meta({ id: "CollectionUsage" });

export const usageListSchema = z.object({ object: z.literal("list"), data: z.array(usageSchema) }).meta({ id: "Usage" });

/** Throws `invalid_request`. */
export function parseUsageLimit(query: URLSearchParams): number {
  for (const name of query.keys()) if (name !== "limit") throw refuse(name.slice(0, 64), "is not known here", "limit");
  return toLimit(query.get("limit"));
}

export function fromUsage({ collection, searches, firstAtMs, lastAtMs, days }: CollectionUsage): z.output<typeof usageSchema> {
  return {
    object: "collection_usage",
    collection,
    searches,
    first_at: isoTime(firstAtMs),
    last_at: isoTime(lastAtMs),
    days: Object.fromEntries(days),
  };
}
