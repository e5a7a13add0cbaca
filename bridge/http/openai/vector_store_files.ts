/** Documents of a collection as files of OpenAI's vector store; a batch of files is an ingest job. */
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import { kennelError } from "../../../runtime/errors.ts";
import {
  type Attachment,
  attachBatchSchema,
  attachFileSchema,
  fileBatchSchema,
  fromBatchJob,
  parseAttachBatch,
  parseAttachFile,
} from "../../schema/openai/files.ts";
import {
  cursorPage,
  cursorPageSchema,
  deletedVectorStoreFileSchema,
  fileContentSchema,
  fromDocumentRecord,
  parseCursor,
  vectorStoreFileSchema,
} from "../../schema/openai/vector_stores.ts";
import { JSON_TYPE, json } from "../answer.ts";
import type { CollectionCatalog, DocumentIngest, DocumentReader, FileUploads } from "../collaborators.ts";
import { requireCollection } from "../collection_routes.ts";
import { BATCH_PARAMETER, CURSOR_PARAMETERS, FILE_PARAMETER, jsonAnswer, VECTOR_STORE_PARAMETER } from "../descriptions.ts";
import type { Exchange } from "../exchange.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Method, Route, RouteDescription } from "../route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest;
  readonly uploads: FileUploads;
  readonly limits: BridgeLimits;
}

const STORE = "/v1/vector_stores/{vector_store_id}";
const FILE_ID = "file-5f2c1a5f2c1a5f2c1a5f2c1a";
/** The header by which OpenAI's clients know how soon to look again. */
const LOOK_AGAIN = { "openai-poll-after-ms": "200" } as const;

const EXAMPLE_FILE = {
  id: FILE_ID,
  object: "vector_store.file",
  created_at: 1_767_605_400,
  vector_store_id: "papers",
  status: "completed",
  last_error: null,
  usage_bytes: 0,
  attributes: { lang: "en" },
};
const EXAMPLE_BATCH = {
  id: "job_5f2c1a",
  object: "vector_store.files_batch",
  created_at: 1_767_605_400,
  vector_store_id: "papers",
  status: "in_progress",
  file_counts: { in_progress: 1, completed: 0, failed: 0, cancelled: 0, total: 1 },
};

export function vectorStoreFileRoutes(parts: Parts): readonly Route[] {
  return [
    attachFile(parts),
    listFiles(parts),
    getFile(parts),
    fileContent(parts),
    deleteFile(parts),
    attachBatch(parts),
    getBatch(parts),
    cancelBatch(parts),
  ];
}

function work({ limits }: Parts, method: Method, path: string, description: Omit<RouteDescription, "tag">, handle: Route["handle"]): Route {
  const isWrite = method !== "GET";
  return {
    method,
    path: STORE + path,
    kind: "work",
    maxBodyBytes: description.request === null ? 0 : limits.maxBodyBytes,
    timeoutMs: isWrite ? limits.defaultWriteTimeoutMs : limits.defaultTimeoutMs,
    description: { ...description, tag: "openai" },
    handle,
  };
}

function storeOf({ catalog }: Parts, exchange: Exchange): string {
  return requireCollection(catalog, exchange.name("vector_store_id"), "vector_store_id").name;
}

/** Files as documents, whose ids they keep. Throws `not_found`, `payload_too_large`. */
async function documentsOf({ uploads, limits }: Parts, { fileIds, attributes }: Attachment): Promise<readonly IncomingDocument[]> {
  const found = fileIds.map((id, place) => {
    const upload = uploads.get(id);
    if (upload === null) throw noFile(fileIds.length === 1 ? "file_id" : `file_ids[${place}]`);
    return upload;
  });
  const bytes = found.reduce((sum, upload) => sum + upload.bytes, 0);
  if (bytes > limits.maxDocumentsBodyBytes) {
    throw kennelError("payload_too_large", {
      param: "file_ids",
      message: `The files have ${bytes} bytes; allowed: at most ${limits.maxDocumentsBodyBytes} in one request`,
    });
  }
  const documents: IncomingDocument[] = [];
  for (const { id, fileName, mediaType } of found) {
    const content = await uploads.content(id);
    if (content === null) throw noFile("file_id");
    const source = { kind: "file", mediaType, fileName, bytes: content } as const;
    documents.push({ id, title: fileName, url: "", attributes, principals: [], vector: null, source });
  }
  return documents;
}

function attachFile(parts: Parts): Route {
  return work(
    parts,
    "POST",
    "/files",
    {
      operationId: "attachFile",
      summary: "Take an uploaded file into a collection, as the document with the file's id",
      parameters: [VECTOR_STORE_PARAMETER],
      request: {
        isRequired: true,
        content: { [JSON_TYPE]: { schema: attachFileSchema, example: { file_id: FILE_ID, attributes: { lang: "en" } } } },
      },
      answers: {
        200: jsonAnswer("It is being indexed", vectorStoreFileSchema, { ...EXAMPLE_FILE, status: "in_progress" }, ["OpenAI-Poll-After-Ms"]),
      },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async (exchange) => {
      const store = storeOf(parts, exchange);
      const documents = await documentsOf(parts, parseAttachFile(await exchange.json()));
      await parts.ingest.accept(store, documents, exchange.signal);
      return json(200, fromDocumentRecord(store, await requireFile(parts, store, documents[0]?.id ?? "", exchange)), LOOK_AGAIN);
    },
  );
}

function listFiles(parts: Parts): Route {
  return work(
    parts,
    "GET",
    "/files",
    {
      operationId: "listVectorStoreFiles",
      summary: "List a collection's documents as files, ordered by id",
      parameters: [VECTOR_STORE_PARAMETER, ...CURSOR_PARAMETERS],
      request: null,
      answers: {
        200: jsonAnswer(
          "A page of files",
          cursorPageSchema(vectorStoreFileSchema, "VectorStoreFilePage"),
          cursorPage([EXAMPLE_FILE], false),
        ),
      },
      errors: ["not_found"],
    },
    async (exchange) => {
      const store = storeOf(parts, exchange);
      const page = await parts.documents.listDocuments(store, parseCursor(exchange.query()), exchange.signal);
      const files = page.items.map((record) => fromDocumentRecord(store, record));
      return json(200, cursorPage(files, page.next !== null));
    },
  );
}

function getFile(parts: Parts): Route {
  return work(
    parts,
    "GET",
    "/files/{file_id}",
    {
      operationId: "getVectorStoreFile",
      summary: "Show a document as a file",
      parameters: [VECTOR_STORE_PARAMETER, FILE_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The file", vectorStoreFileSchema, EXAMPLE_FILE, ["OpenAI-Poll-After-Ms"]) },
      errors: ["not_found"],
    },
    async (exchange) => {
      const store = storeOf(parts, exchange);
      const file = fromDocumentRecord(store, await requireFile(parts, store, exchange.documentId("file_id"), exchange));
      return json(200, file, file.status === "in_progress" ? LOOK_AGAIN : {});
    },
  );
}

function fileContent(parts: Parts): Route {
  return work(
    parts,
    "GET",
    "/files/{file_id}/content",
    {
      operationId: "getVectorStoreFileContent",
      summary: "Show a document's text",
      parameters: [VECTOR_STORE_PARAMETER, FILE_PARAMETER],
      request: null,
      answers: {
        200: jsonAnswer("The text", fileContentSchema, {
          object: "vector_store.file_content.page",
          data: [{ type: "text", text: "Kennel keeps retrievers warm." }],
          has_more: false,
          next_page: null,
        }),
      },
      errors: ["not_found"],
    },
    async (exchange) => {
      const { text } = await requireFile(parts, storeOf(parts, exchange), exchange.documentId("file_id"), exchange);
      return json(200, { object: "vector_store.file_content.page", data: [{ type: "text", text }], has_more: false, next_page: null });
    },
  );
}

function deleteFile(parts: Parts): Route {
  return work(
    parts,
    "DELETE",
    "/files/{file_id}",
    {
      operationId: "deleteVectorStoreFile",
      summary: "Delete a document from every index",
      parameters: [VECTOR_STORE_PARAMETER, FILE_PARAMETER],
      request: null,
      answers: {
        200: jsonAnswer("It is gone", deletedVectorStoreFileSchema, { id: FILE_ID, object: "vector_store.file.deleted", deleted: true }),
      },
      errors: ["not_found"],
    },
    async (exchange) => {
      const id = exchange.documentId("file_id");
      if ((await parts.ingest.deleteDocuments(storeOf(parts, exchange), [id], exchange.signal)) === 0) throw noFile("file_id");
      return json(200, { id, object: "vector_store.file.deleted", deleted: true });
    },
  );
}

function attachBatch(parts: Parts): Route {
  return work(
    parts,
    "POST",
    "/file_batches",
    {
      operationId: "attachFileBatch",
      summary: "Take uploaded files into a collection in one job",
      parameters: [VECTOR_STORE_PARAMETER],
      request: { isRequired: true, content: { [JSON_TYPE]: { schema: attachBatchSchema, example: { file_ids: [FILE_ID] } } } },
      answers: { 200: jsonAnswer("They are being indexed", fileBatchSchema, EXAMPLE_BATCH, ["OpenAI-Poll-After-Ms"]) },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async (exchange) => {
      const store = storeOf(parts, exchange);
      const documents = await documentsOf(parts, parseAttachBatch(await exchange.json()));
      return json(200, fromBatchJob(await parts.ingest.accept(store, documents, exchange.signal)), LOOK_AGAIN);
    },
  );
}

function getBatch(parts: Parts): Route {
  return work(
    parts,
    "GET",
    "/file_batches/{batch_id}",
    {
      operationId: "getFileBatch",
      summary: "Show how far a batch of files has come",
      parameters: [VECTOR_STORE_PARAMETER, BATCH_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The batch", fileBatchSchema, EXAMPLE_BATCH, ["OpenAI-Poll-After-Ms"]) },
      errors: ["not_found"],
    },
    async (exchange) => {
      const batch = fromBatchJob(await requireBatch(parts, exchange));
      return json(200, batch, batch.status === "in_progress" ? LOOK_AGAIN : {});
    },
  );
}

function cancelBatch(parts: Parts): Route {
  return work(
    parts,
    "POST",
    "/file_batches/{batch_id}/cancel",
    {
      operationId: "cancelFileBatch",
      summary: "Cancel a batch that is under way; what it has indexed stays",
      parameters: [VECTOR_STORE_PARAMETER, BATCH_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The batch, cancelled", fileBatchSchema, { ...EXAMPLE_BATCH, status: "cancelled" }) },
      errors: ["not_found", "conflict"],
    },
    async (exchange) => {
      const { id, status } = await requireBatch(parts, exchange);
      if (!(await parts.ingest.cancel(id, exchange.signal))) {
        throw kennelError("conflict", { param: "batch_id", message: `The batch is ${status}; allowed: one that is under way` });
      }
      return json(200, fromBatchJob(await requireBatch(parts, exchange)));
    },
  );
}

async function requireFile({ documents }: Parts, store: string, id: string, exchange: Exchange) {
  const record = await documents.getDocument(store, id, exchange.signal);
  if (record === null) throw noFile("file_id");
  return record;
}

async function requireBatch(parts: Parts, exchange: Exchange) {
  const store = storeOf(parts, exchange);
  const job = await parts.documents.getJob(exchange.jobId("batch_id"), exchange.signal);
  if (job === null || job.collection !== store)
    throw kennelError("not_found", { param: "batch_id", message: "The vector store has no such batch" });
  return job;
}

function noFile(param: string) {
  return kennelError("not_found", { param, message: "There is no such file" });
}
