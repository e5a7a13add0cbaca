/** Parameters and example bodies that several routes share. */
import { z } from "zod";
import type { CollectionRecord } from "../../actors/document_store/collection_record.ts";
import type { JobRecord } from "../../actors/document_store/job_record.ts";
import { fromCollection } from "../schema/collections.ts";
import { fromJob } from "../schema/jobs.ts";
import { cursorParameters } from "../schema/openai/vector_stores.ts";
import { documentIdSchema, jobIdSchema, nameSchema } from "../schema/text.ts";
import { JSON_TYPE } from "./answer.ts";
import type { AnswerHeaderName } from "./described_headers.ts";
import type { AnswerContent, Parameter } from "./route.ts";

export const COLLECTION_PARAMETER: Parameter = {
  name: "collection",
  in: "path",
  description: "The collection's name",
  schema: nameSchema,
  example: "docs",
};

export const COLLECTION_OR_ALIAS_PARAMETER: Parameter = {
  ...COLLECTION_PARAMETER,
  description: "The name of the collection, or an alias of it",
};

export const VECTOR_STORE_PARAMETER: Parameter = {
  name: "vector_store_id",
  in: "path",
  description: "The name of the collection, or an alias of it",
  schema: nameSchema,
  example: "docs",
};

export const FILE_PARAMETER: Parameter = {
  name: "file_id",
  in: "path",
  description: "The file's or document's id, percent-encoded",
  schema: documentIdSchema,
  example: "guide.md",
};

export const BATCH_PARAMETER: Parameter = {
  name: "batch_id",
  in: "path",
  description: "The batch's id",
  schema: jobIdSchema,
  example: "job_5f2c1a",
};

export const CURSOR_PARAMETERS: readonly Parameter[] = [
  { name: "limit", in: "query", description: "Items in one page", schema: cursorParameters.limit },
  { name: "after", in: "query", description: "The last_id of the page before", schema: cursorParameters.after },
];

export const DOCUMENT_PARAMETER: Parameter = {
  name: "document",
  in: "path",
  description: "The document's id, percent-encoded",
  schema: documentIdSchema,
  example: "guide.md",
};

export const JOB_PARAMETER: Parameter = {
  name: "job",
  in: "path",
  description: "The job's id",
  schema: jobIdSchema,
  example: "job_5f2c1a",
};

export const VERSION_PARAMETER: Parameter = {
  name: "version",
  in: "path",
  description: "The number of the build",
  schema: z.int().min(1).max(2_147_483_647),
  example: 2,
};

export const ALIAS_PARAMETER: Parameter = { name: "alias", in: "path", description: "The alias", schema: nameSchema, example: "current" };

export const PAGE_PARAMETERS: readonly Parameter[] = [
  { name: "limit", in: "query", description: "Items in one page", schema: z.int().min(1).max(1_000).default(100) },
  { name: "after", in: "query", description: "The next of the page before", schema: z.string().min(1).max(1_024) },
];

/** @param headers beyond those that every answer has */
export function jsonAnswer(
  description: string,
  schema: z.ZodType,
  example: unknown,
  headers: readonly AnswerHeaderName[] = [],
): AnswerContent {
  return { description, mediaType: JSON_TYPE, schema, example, headers };
}

const EXAMPLE_RECORD: CollectionRecord = {
  name: "docs",
  settings: {
    language: "english",
    embedding: "static-minilm-256",
    chunking: { maxTokens: 200, overlapTokens: 30, parentTokens: 800 },
    attributes: { lang: "string" },
    fusion: { type: "weighted", alpha: 0.3 },
    pinned: false,
    resident: "auto",
    replicas: 1,
    pool: 1,
    ttlSeconds: null,
    allowDegraded: true,
    shareAnswers: false,
  },
  attributes: { lang: "string", year: "number" },
  version: 1,
  versions: [],
  indexVersion: 7,
  documents: 120,
  chunks: 940,
  createdAtMs: Date.UTC(2026, 0, 5, 9, 30),
  updatedAtMs: Date.UTC(2026, 0, 5, 9, 45),
};

export const EXAMPLE_COLLECTION = fromCollection(EXAMPLE_RECORD, ["current"]);

const EXAMPLE_JOB_RECORD: JobRecord = {
  id: "job_5f2c1a",
  collection: "docs",
  kind: "ingest",
  status: "completed",
  counts: { total: 2, indexed: 1, unchanged: 1, skipped: 0, failed: 0, chunks: 9 },
  failures: [],
  indexVersion: 7,
  outcome: null,
  createdAtMs: Date.UTC(2026, 0, 5, 9, 45),
  startedAtMs: Date.UTC(2026, 0, 5, 9, 45),
  finishedAtMs: Date.UTC(2026, 0, 5, 9, 45, 1),
};

export const EXAMPLE_JOB = fromJob(EXAMPLE_JOB_RECORD);

export const EXAMPLE_QUEUED_JOB = fromJob({
  ...EXAMPLE_JOB_RECORD,
  status: "queued",
  counts: { ...EXAMPLE_JOB_RECORD.counts, indexed: 0, chunks: 0 },
  indexVersion: null,
  startedAtMs: null,
  finishedAtMs: null,
});
