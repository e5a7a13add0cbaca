import { z } from "zod";

const idSchema = z.union([z.string(), z.number()]);

/** One message; what its parameters may hold is the protocol's to say. */
export const mcpRequestSchema = z
  .object({
    jsonrpc: z.literal("2.0"),
    id: idSchema.optional().describe("Left out: a notification"),
    method: z.string(),
    params: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: "McpRequest" });

export const mcpAnswerSchema = z
  .union([
    z.object({ jsonrpc: z.literal("2.0"), id: idSchema, result: z.record(z.string(), z.unknown()) }),
    z.object({
      jsonrpc: z.literal("2.0"),
      id: idSchema.nullish(),
      error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
    }),
  ])
  .meta({ id: "McpAnswer" });

export type McpFailure = -32700 | -32600 | -32601;

export function mcpFailure(code: McpFailure, message: string, id: string | number | null = null): z.output<typeof mcpAnswerSchema> {
  return { jsonrpc: "2.0", id, error: { code, message } };
}
