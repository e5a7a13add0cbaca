import { z } from "zod";
import { MODES, type Mode } from "../../actors/retriever/search.ts";
import { scopeSchema } from "./flags.ts";
import { strictObject, validate } from "./validate.ts";

export const modeRequestSchema = strictObject({
  mode: z.enum(MODES).nullable().describe("The mode that holds from now on, whatever the services do; null: they decide again"),
  scope: scopeSchema
    .optional()
    .describe(
      "`cluster`, the default: every node, kept over a restart; `node`: this node until its process ends, and before what the cluster says",
    ),
}).meta({ id: "ModeRequest" });

export const modeSchema = z
  .object({ object: z.literal("mode"), mode: z.enum(MODES).describe("What holds now"), forced_mode: z.enum(MODES).nullable() })
  .meta({ id: "Mode" });

export const modeChangeSchema = z
  .object({
    at: z.iso.datetime(),
    mode: z.enum(MODES),
    before: z.enum(MODES),
    is_forced: z.boolean(),
    failed: z.array(z.string()).describe("Services that had failed then"),
  })
  .meta({ id: "ModeChange" });

export function parseMode(body: unknown): { readonly mode: Mode | null; readonly scope?: "node" | "cluster" | undefined } {
  return validate(modeRequestSchema, body);
}
