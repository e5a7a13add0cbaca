/** Collections as OpenAI's vector stores: made, listed, shown and deleted. */
import { kennelError } from "../../../runtime/errors.ts";
import type { Random } from "../../../runtime/random.ts";
import { type CollectionChoices, type CollectionDefaults, parseCollectionSettings } from "../../schema/collections.ts";
import {
  createVectorStoreSchema,
  cursorPage,
  cursorPageSchema,
  deletedVectorStoreSchema,
  fromRecord,
  parseCursor,
  vectorStoreSchema,
} from "../../schema/openai/vector_stores.ts";
import { validate } from "../../schema/validate.ts";
import { JSON_TYPE, json } from "../answer.ts";
import type { CollectionCatalog } from "../collaborators.ts";
import { requireCollection } from "../collection_routes.ts";
import { CURSOR_PARAMETERS, jsonAnswer, VECTOR_STORE_PARAMETER } from "../descriptions.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly defaults: CollectionDefaults;
  readonly choices: CollectionChoices;
  readonly random: Random;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/vector_stores";
const EXAMPLE = {
  id: "papers",
  object: "vector_store",
  created_at: 1_767_605_400,
  last_active_at: 1_767_605_400,
  name: "papers",
  status: "completed",
  usage_bytes: 0,
  file_counts: { in_progress: 0, completed: 0, failed: 0, cancelled: 0, total: 0 },
  metadata: {},
};

export function vectorStoreRoutes(parts: Parts): readonly Route[] {
  return [createStore(parts), listStores(parts), getStore(parts), deleteStore(parts)];
}

function createStore({ catalog, defaults, choices, random, limits }: Parts): Route {
  return {
    method: "POST",
    path: PATH,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "createVectorStore",
      summary: "Make a collection with default settings; metadata is not kept",
      tag: "openai",
      parameters: [],
      request: { isRequired: false, content: { [JSON_TYPE]: { schema: createVectorStoreSchema, example: { name: "papers" } } } },
      answers: { 200: jsonAnswer("It was made", vectorStoreSchema, EXAMPLE) },
      errors: ["conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async handle(exchange) {
      const { name = newName(random) } = validate(createVectorStoreSchema, await exchange.optionalJson());
      if (catalog.resolve(name) !== null)
        throw kennelError("conflict", { param: "name", message: `There is a collection or alias "${name}" already` });
      const { record } = await catalog.put(name, parseCollectionSettings({}, defaults, choices), exchange.signal);
      return json(200, fromRecord(record));
    },
  };
}

function listStores({ catalog, limits }: Parts): Route {
  return {
    method: "GET",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listVectorStores",
      summary: "List collections as vector stores, ordered by name",
      tag: "openai",
      parameters: CURSOR_PARAMETERS,
      request: null,
      answers: { 200: jsonAnswer("A page of them", cursorPageSchema(vectorStoreSchema, "VectorStorePage"), cursorPage([EXAMPLE], false)) },
      errors: [],
    },
    handle(exchange) {
      const page = catalog.list(parseCursor(exchange.query()));
      return json(200, cursorPage(page.items.map(fromRecord), page.next !== null));
    },
  };
}

function getStore({ catalog, limits }: Parts): Route {
  return {
    method: "GET",
    path: `${PATH}/{vector_store_id}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getVectorStore",
      summary: "Show a collection as a vector store",
      tag: "openai",
      parameters: [VECTOR_STORE_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The vector store", vectorStoreSchema, EXAMPLE) },
      errors: ["not_found"],
    },
    handle: (exchange) => json(200, fromRecord(requireCollection(catalog, exchange.name("vector_store_id"), "vector_store_id"))),
  };
}

function deleteStore({ catalog, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: `${PATH}/{vector_store_id}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "deleteVectorStore",
      summary: "Delete a collection with its documents, jobs and aliases",
      tag: "openai",
      parameters: [{ ...VECTOR_STORE_PARAMETER, description: "The collection's name" }],
      request: null,
      answers: { 200: jsonAnswer("It is gone", deletedVectorStoreSchema, { id: "papers", object: "vector_store.deleted", deleted: true }) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const id = exchange.name("vector_store_id");
      if (!(await catalog.delete(id, exchange.signal))) {
        throw kennelError("not_found", { param: "vector_store_id", message: `There is no collection "${id}"` });
      }
      return json(200, { id, object: "vector_store.deleted", deleted: true });
    },
  };
}

function newName(random: Random): string {
  let digits = "";
  while (digits.length < 24) digits += Math.floor(random.next() * 16).toString(16);
  return `vs_${digits}`;
}
