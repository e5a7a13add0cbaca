import { z } from "zod";
import type { JobRecord } from "../../../actors/document_store/job_record.ts";
import type { Upload } from "../../../actors/ingest/upload_folder.ts";
import { documentSchema } from "../documents.ts";
import { validate } from "../validate.ts";

const MAX_BATCH = 500;

export const FILE_ID = z.string().regex(/^file-[0-9a-f]{24}$/, { error: "a file's id, as POST /v1/files gave it" });

/** As OpenAI has them; they are kept and given back, and change nothing. */
export const purposeSchema = z.enum(["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]).default("assistants");

export const fileUploadSchema = z
  .object({
    file: z.file(),
    purpose: purposeSchema.describe("Kept and given back; it changes nothing"),
  })
  .meta({ id: "FileUpload" });

export const fileSchema = z
  .object({
    id: z.string(),
    object: z.literal("file"),
    bytes: z.int(),
    created_at: z.int(),
    filename: z.string(),
    purpose: z.string(),
    status: z.literal("processed"),
  })
  .meta({ id: "File" });

export function fromUpload(upload: Upload): z.output<typeof fileSchema> {
  return {
    id: upload.id,
    object: "file",
    bytes: upload.bytes,
    created_at: Math.floor(upload.createdAtMs / 1_000),
    filename: upload.fileName,
    purpose: upload.purpose,
    status: "processed",
  };
}

export const deletedFileSchema = z
  .object({ id: z.string(), object: z.literal("file"), deleted: z.literal(true) })
  .meta({ id: "DeletedFile" });

const attributesSchema = documentSchema.shape.attributes.nullish();

export const attachFileSchema = z.object({ file_id: FILE_ID, attributes: attributesSchema }).meta({ id: "AttachFileRequest" });

export const attachBatchSchema = z
  .object({ file_ids: z.array(FILE_ID).min(1).max(MAX_BATCH), attributes: attributesSchema })
  .meta({ id: "AttachFilesRequest" });

export interface Attachment {
  readonly fileIds: readonly string[];
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** Throws `invalid_request` with the field at fault. */
export function parseAttachFile(body: unknown): Attachment {
  const { file_id: fileId, attributes } = validate(attachFileSchema, body);
  return { fileIds: [fileId], attributes: attributes ?? {} };
}

/** Throws `invalid_request` with the field at fault. */
export function parseAttachBatch(body: unknown): Attachment {
  const { file_ids: fileIds, attributes } = validate(attachBatchSchema, body);
  return { fileIds: [...new Set(fileIds)], attributes: attributes ?? {} };
}

export const fileBatchSchema = z
  .object({
    id: z.string().describe("The job's id"),
    object: z.literal("vector_store.files_batch"),
    created_at: z.int(),
    vector_store_id: z.string(),
    status: z.enum(["in_progress", "completed", "cancelled", "failed"]),
    file_counts: z.object({ in_progress: z.int(), completed: z.int(), failed: z.int(), cancelled: z.int(), total: z.int() }),
  })
  .meta({ id: "FileBatch" });

export function fromBatchJob({ id, collection, status, counts, createdAtMs }: JobRecord): z.output<typeof fileBatchSchema> {
  const isOpen = status === "queued" || status === "running";
  const completed = counts.indexed + counts.unchanged + counts.skipped;
  const rest = Math.max(0, counts.total - completed - counts.failed);
  return {
    id,
    object: "vector_store.files_batch",
    created_at: Math.floor(createdAtMs / 1_000),
    vector_store_id: collection,
    status: isOpen ? "in_progress" : status,
    file_counts: { in_progress: isOpen ? rest : 0, completed, failed: counts.failed, cancelled: isOpen ? 0 : rest, total: counts.total },
  };
}
