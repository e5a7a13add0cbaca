import { z } from "zod";
import type { AliasRecord } from "../../actors/document_store/collection_record.ts";
import { nameSchema } from "./text.ts";
import { strictObject, validate } from "./validate.ts";

export const aliasRequestSchema = strictObject({
  collection: nameSchema,
  version: z.int().min(1).nullish().describe("Pins a build of the collection; null follows its active one"),
}).meta({ id: "AliasRequest" });

export const aliasSchema = z
  .object({ object: z.literal("alias"), alias: z.string(), collection: z.string(), version: z.int().nullable() })
  .meta({ id: "Alias" });

export function parseAlias(alias: string, body: unknown): AliasRecord {
  const wire = validate(aliasRequestSchema, body);
  return { alias, collection: wire.collection, version: wire.version ?? null };
}

export function fromAlias(record: AliasRecord): z.output<typeof aliasSchema> {
  return { object: "alias", ...record };
}
