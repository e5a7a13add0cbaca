import { z } from "zod";

export const deletedSchema = z.object({ object: z.string(), id: z.string(), deleted: z.literal(true) }).meta({ id: "Deleted" });

export const deletedDocumentsSchema = z
  .object({ object: z.literal("documents.deleted"), deleted: z.int().describe("Documents that matched") })
  .meta({ id: "DeletedDocuments" });

export const warmedSchema = z
  .object({ object: z.enum(["collection.warmed", "collection.refreshed"]), collection: z.string() })
  .meta({ id: "CollectionReady" });
