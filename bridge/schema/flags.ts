import { z } from "zod";
import { MAX_REASON_LENGTH } from "../../cluster/configuration/operator_word.ts";
import { FLAG_NAMES, type FlagKey, flagKey } from "../../config/flags.ts";
import { kennelError } from "../../runtime/errors.ts";
import { strictObject, validate } from "./validate.ts";

export const scopeSchema = z
  .enum(["node", "cluster"])
  .describe("`cluster`: every node, kept over a restart; `node`: this node until its process ends, and before what the cluster says");

export const flagRequestSchema = strictObject({
  enabled: z.boolean(),
  scope: scopeSchema.default("cluster"),
  reason: z.string().max(MAX_REASON_LENGTH).default("").describe("Why, for whoever looks at the flags later"),
}).meta({ id: "FlagRequest" });

export const flagNameSchema = z.enum(FLAG_NAMES as [string, ...string[]]).describe("The flag's name");

export const flagSchema = z
  .object({
    object: z.literal("flag"),
    flag: flagNameSchema,
    enabled: z.boolean().describe("What holds on this node"),
    default: z.boolean().describe("What it starts with, by the settings"),
    source: z.enum(["settings", "node", "cluster"]).describe("Who has said what holds"),
    reason: z.string().nullable(),
    since: z.iso.datetime().nullable(),
    node: z.string().nullable().describe("The node that was told"),
    description: z.string(),
  })
  .meta({ id: "Flag" });

export const flagsSchema = z.object({ object: z.literal("list"), data: z.array(flagSchema) }).meta({ id: "Flags" });

export function parseFlagRequest(body: unknown) {
  return validate(flagRequestSchema, body);
}

/** Throws `not_found`, with the names that there are. */
export function parseFlagName(given: string): FlagKey {
  const key = flagKey(given);
  if (key !== null) return key;
  throw kennelError("not_found", {
    param: "flag",
    message: `There is no flag ${JSON.stringify(given.slice(0, 64))}; there are ${FLAG_NAMES.join(", ")}`,
  });
}
