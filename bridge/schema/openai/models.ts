import { z } from "zod";

export const modelSchema = z
  .object({
    id: z.string().describe("A collection, an alias, or the embedding model"),
    object: z.literal("model"),
    created: z.int().describe("Unix seconds; 0: it came with the node"),
    owned_by: z.string(),
  })
  .meta({ id: "Model" });

export type WireModel = z.output<typeof modelSchema>;

export const modelListSchema = z.object({ object: z.literal("list"), data: z.array(modelSchema) }).meta({ id: "ModelList" });

export function toModel(id: string, createdAtMs: number): WireModel {
  return { id, object: "model", created: Math.floor(createdAtMs / 1_000), owned_by: "kennel" };
}
