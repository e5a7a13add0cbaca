import { z } from "zod";
import type { CollectionRecord } from "../../../actors/document_store/collection_record.ts";
import type { DocumentRecord } from "../../../actors/document_store/document_record.ts";
import type { Hit } from "../../../actors/retriever/search.ts";
import { uncheckedFilterSchema } from "../filters.ts";
import { nameSchema, textSchema } from "../text.ts";
import { describe, refuse, validate } from "../validate.ts";

const MAX_QUERY_LENGTH = 100_000;
/** Wordings of one question, searched side by side. */
const MAX_QUERIES = 8;
const MAX_RESULTS = 50;
const DEFAULT_RESULTS = 10;

const querySchema = textSchema(MAX_QUERY_LENGTH).min(1);

export const vectorStoreSearchSchema = z
  .object({
    query: z.union([querySchema, z.array(querySchema).min(1).max(MAX_QUERIES)]).describe("A question, or wordings of one"),
    filters: uncheckedFilterSchema.optional(),
    max_num_results: z.int().min(1).max(MAX_RESULTS).default(DEFAULT_RESULTS),
    ranking_options: z
      .object({ score_threshold: z.number().min(0).max(1).nullish().describe("Results with a lower score are left out") })
      .nullish(),
  })
  .meta({ id: "VectorStoreSearchRequest" });

export interface VectorStoreSearch {
  readonly queries: readonly string[];
  /** Not yet checked: that needs the collection's attributes. */
  readonly filters: unknown;
  readonly maxResults: number;
  readonly scoreThreshold: number | null;
}

/** Throws `invalid_request` with the field at fault. */
export function parseVectorStoreSearch(body: unknown): VectorStoreSearch {
  const wire = validate(vectorStoreSearchSchema, body);
  const queries = typeof wire.query === "string" ? [wire.query] : wire.query;
  for (const query of queries) if (query.trim() === "") throw refuse("query", "is empty", "a question");
  return {
    queries: [...new Set(queries)],
    filters: wire.filters,
    maxResults: wire.max_num_results,
    scoreThreshold: wire.ranking_options?.score_threshold ?? null,
  };
}

const attributesSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const contentSchema = z.array(z.object({ type: z.literal("text"), text: z.string() }));

export const vectorStoreSearchAnswerSchema = z
  .object({
    object: z.literal("vector_store.search_results.page"),
    search_query: z.array(z.string()),
    data: z.array(
      z.object({
        file_id: z.string().describe("The document's id"),
        filename: z.string().describe("The document's title; its id where it has none"),
        score: z.number().min(0).max(1),
        attributes: attributesSchema.nullable(),
        content: contentSchema.describe("The passage"),
      }),
    ),
    has_more: z.boolean(),
    next_page: z.string().nullable(),
  })
  .meta({ id: "VectorStoreSearchAnswer" });

export function fromHits(queries: readonly string[], hits: readonly Hit[]): z.output<typeof vectorStoreSearchAnswerSchema> {
  return {
    object: "vector_store.search_results.page",
    search_query: [...queries],
    data: hits.map((hit) => ({
      file_id: hit.document_id,
      filename: hit.title === "" ? hit.document_id : hit.title,
      score: hit.score,
      attributes: { ...hit.attributes },
      content: [{ type: "text", text: hit.text ?? "" }],
    })),
    has_more: false,
    next_page: null,
  };
}

export const createVectorStoreSchema = z
  .object({ name: nameSchema.optional().describe("Becomes the collection's name; one is made up unless given") })
  .meta({ id: "CreateVectorStoreRequest" });

const countsSchema = z.object({ in_progress: z.int(), completed: z.int(), failed: z.int(), cancelled: z.int(), total: z.int() });

export const vectorStoreSchema = z
  .object({
    id: z.string().describe("The collection's name"),
    object: z.literal("vector_store"),
    created_at: z.int(),
    last_active_at: z.int().describe("When the collection was last changed"),
    name: z.string(),
    status: z.literal("completed"),
    usage_bytes: z.int().describe("0: bytes are not counted"),
    file_counts: countsSchema.describe("Documents that are indexed; GET …/files tells of each"),
    metadata: z.record(z.string(), z.string()),
  })
  .meta({ id: "VectorStore" });

export function fromRecord(record: CollectionRecord): z.output<typeof vectorStoreSchema> {
  return {
    id: record.name,
    object: "vector_store",
    created_at: seconds(record.createdAtMs),
    last_active_at: seconds(record.updatedAtMs),
    name: record.name,
    status: "completed",
    usage_bytes: 0,
    file_counts: { in_progress: 0, completed: record.documents, failed: 0, cancelled: 0, total: record.documents },
    metadata: {},
  };
}

export const deletedVectorStoreSchema = z
  .object({ id: z.string(), object: z.literal("vector_store.deleted"), deleted: z.literal(true) })
  .meta({ id: "DeletedVectorStore" });

export const vectorStoreFileSchema = z
  .object({
    id: z.string().describe("The document's id"),
    object: z.literal("vector_store.file"),
    created_at: z.int(),
    vector_store_id: z.string(),
    status: z.enum(["in_progress", "completed", "failed"]),
    last_error: z.object({ code: z.enum(["invalid_file"]), message: z.string() }).nullable(),
    usage_bytes: z.int().describe("0: bytes are not counted"),
    attributes: attributesSchema,
  })
  .meta({ id: "VectorStoreFile" });

export function fromDocumentRecord(collection: string, record: Omit<DocumentRecord, "text">): z.output<typeof vectorStoreFileSchema> {
  const status = record.state === "pending" ? "in_progress" : record.state === "failed" ? "failed" : "completed";
  return {
    id: record.id,
    object: "vector_store.file",
    created_at: seconds(record.createdAtMs),
    vector_store_id: collection,
    status,
    last_error: status === "failed" ? { code: "invalid_file", message: record.failure ?? "It could not be read" } : null,
    usage_bytes: 0,
    attributes: { ...record.attributes },
  };
}

export const deletedVectorStoreFileSchema = z
  .object({ id: z.string(), object: z.literal("vector_store.file.deleted"), deleted: z.literal(true) })
  .meta({ id: "DeletedVectorStoreFile" });

export const fileContentSchema = z
  .object({
    object: z.literal("vector_store.file_content.page"),
    data: contentSchema,
    has_more: z.boolean(),
    next_page: z.string().nullable(),
  })
  .meta({ id: "VectorStoreFileContent" });

/** A page as OpenAI has it. */
export function cursorPageSchema(item: z.ZodType, id: string) {
  return z
    .object({
      object: z.literal("list"),
      data: z.array(item),
      first_id: z.string().nullable(),
      last_id: z.string().nullable().describe("Give it as after for the next page"),
      has_more: z.boolean(),
    })
    .meta({ id });
}

export function cursorPage<Item extends { readonly id: string }>(data: readonly Item[], hasMore: boolean) {
  return { object: "list" as const, data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: hasMore };
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

export const cursorParameters = {
  limit: z.int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  after: textSchema(1_024).min(1),
};

/** Reads `limit` and `after`. Throws `invalid_request`. */
export function parseCursor(query: URLSearchParams): { readonly limit: number; readonly after: string | null } {
  const given = query.get("limit");
  const limit = given === null ? DEFAULT_LIMIT : /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw refuse("limit", `is ${describe(given)}`, `a whole number from 1 to ${MAX_LIMIT}`);
  const after = query.get("after");
  return { limit, after: after === null ? null : validate(cursorParameters.after, after, ["after"]) };
}

function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1_000);
}
