import { kennelError } from "../../runtime/errors.ts";
import { deletedDocumentsSchema, deletedSchema } from "../schema/deletions.ts";
import {
  deleteByFilterSchema,
  documentAnswerSchema,
  documentSchema,
  documentsRequestSchema,
  fromDocument,
  parseDeleteByFilter,
} from "../schema/documents.ts";
import { fromJob, jobSchema } from "../schema/jobs.ts";
import { fromPage, pageSchema, parsePage } from "../schema/pages.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionCatalog, DocumentIngest, DocumentReader } from "./collaborators.ts";
import { requireCollection } from "./collection_routes.ts";
import { COLLECTION_OR_ALIAS_PARAMETER, DOCUMENT_PARAMETER, EXAMPLE_QUEUED_JOB, jsonAnswer, PAGE_PARAMETERS } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";
import { MULTIPART_TYPE, NDJSON_TYPE, readDocuments, uploadSchema } from "./uploads.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/collections/{collection}/documents";

const EXAMPLE_DOCUMENT = {
  id: "guide.md",
  title: "Guide",
  text: "# Guide\n\nKennel keeps retrievers warm.",
  format: "markdown",
  attributes: { lang: "en", year: 2026 },
};
const EXAMPLE_RECORD = {
  object: "document",
  id: "guide.md",
  title: "Guide",
  url: "",
  attributes: { lang: "en", year: 2026 },
  principals: [],
  content_hash: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
  state: "indexed",
  failure: null,
  chunks: 1,
  created_at: "2026-01-05T09:45:00.000Z",
  updated_at: "2026-01-05T09:45:01.000Z",
};

export function documentRoutes(parts: Parts): readonly Route[] {
  return [addDocuments(parts), listDocuments(parts), deleteByFilter(parts), getDocument(parts), deleteDocument(parts)];
}

function addDocuments({ catalog, ingest, limits }: Parts): Route {
  return {
    method: "POST",
    path: PATH,
    kind: "work",
    maxBodyBytes: limits.maxDocumentsBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "addDocuments",
      summary: "Add or replace documents; the answer comes once they are on disk, the job says when they can be found",
      tag: "documents",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: { schema: documentsRequestSchema, example: { documents: [EXAMPLE_DOCUMENT] } },
          [NDJSON_TYPE]: { schema: documentSchema, example: EXAMPLE_DOCUMENT },
          [MULTIPART_TYPE]: { schema: uploadSchema, example: undefined },
        },
      },
      answers: { 202: jsonAnswer("Accepted; the job goes on", jobSchema, EXAMPLE_QUEUED_JOB, ["Location"]) },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const { name: collection } = requireCollection(catalog, name);
      const documents = await readDocuments(exchange, limits.maxDocuments);
      const job = await ingest.accept(collection, documents, exchange.signal);
      return json(202, fromJob(job), { location: `/v1/jobs/${job.id}` });
    },
  };
}

function listDocuments({ catalog, documents, limits }: Parts): Route {
  return {
    method: "GET",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listDocuments",
      summary: "List a collection's documents, ordered by id, without their text",
      tag: "documents",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER, ...PAGE_PARAMETERS],
      request: null,
      answers: {
        200: jsonAnswer("A page of documents", pageSchema(documentAnswerSchema, "DocumentPage"), {
          object: "list",
          data: [EXAMPLE_RECORD],
          next: "guide.md",
        }),
      },
      errors: ["not_found", "conflict"],
    },
    async handle(exchange) {
      const { name: collection } = requireCollection(catalog, exchange.name("collection"));
      const page = await documents.listDocuments(collection, parsePage(exchange.query()), exchange.signal);
      return json(200, fromPage(page, fromDocument));
    },
  };
}

function deleteByFilter({ catalog, ingest, limits }: Parts): Route {
  const example = { filters: { type: "lt", key: "year", value: 2020 } };
  return {
    method: "DELETE",
    path: PATH,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "deleteDocuments",
      summary: "Delete the documents whose attributes match a filter",
      tag: "documents",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      request: { isRequired: true, content: { [JSON_TYPE]: { schema: deleteByFilterSchema, example } } },
      answers: { 200: jsonAnswer("They are gone", deletedDocumentsSchema, { object: "documents.deleted", deleted: 3 }) },
      errors: ["not_found", "conflict", "payload_too_large", "unsupported_media_type"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const collection = requireCollection(catalog, name);
      const filter = parseDeleteByFilter(await exchange.json(), collection.attributes);
      const deleted = await ingest.deleteMatching(collection.name, filter, exchange.signal);
      return json(200, { object: "documents.deleted", deleted });
    },
  };
}

function getDocument({ catalog, documents, limits }: Parts): Route {
  return {
    method: "GET",
    path: `${PATH}/{document}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getDocument",
      summary: "Show a document with its text",
      tag: "documents",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER, DOCUMENT_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The document", documentAnswerSchema, { ...EXAMPLE_RECORD, text: EXAMPLE_DOCUMENT.text }) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      const id = exchange.documentId();
      exchange.refuseQuery();
      const { name: collection } = requireCollection(catalog, name);
      const document = await documents.getDocument(collection, id, exchange.signal);
      if (document === null) throw noDocument(collection);
      return json(200, fromDocument(document));
    },
  };
}

function deleteDocument({ catalog, ingest, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: `${PATH}/{document}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "deleteDocument",
      summary: "Delete a document from every index",
      tag: "documents",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER, DOCUMENT_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("It is gone", deletedSchema, { object: "document.deleted", id: "guide.md", deleted: true }) },
      errors: ["not_found", "conflict"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      const id = exchange.documentId();
      exchange.refuseQuery();
      const { name: collection } = requireCollection(catalog, name);
      if ((await ingest.deleteDocuments(collection, [id], exchange.signal)) === 0) throw noDocument(collection);
      return json(200, { object: "document.deleted", id, deleted: true });
    },
  };
}

function noDocument(collection: string) {
  return kennelError("not_found", { message: `Collection "${collection}" has no document with this id`, param: "document" });
}
