import type { CollectionRecord } from "../../actors/document_store/collection_record.ts";
import { unlessAborted } from "../../runtime/cancellation.ts";
import { kennelError } from "../../runtime/errors.ts";
import { parseAdoption } from "../schema/adoptions.ts";
import {
  type CollectionChoices,
  type CollectionDefaults,
  collectionSchema,
  collectionSettingsSchema,
  fromCollection,
  parseCollectionSettings,
} from "../schema/collections.ts";
import { deletedSchema, warmedSchema } from "../schema/deletions.ts";
import { fromPage, pageSchema, parsePage } from "../schema/pages.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionAdoption, CollectionCatalog, RetrieverPool } from "./collaborators.ts";
import { COLLECTION_OR_ALIAS_PARAMETER, COLLECTION_PARAMETER, EXAMPLE_COLLECTION, jsonAnswer, PAGE_PARAMETERS } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly registry: RetrieverPool;
  readonly adoption: CollectionAdoption;
  readonly defaults: CollectionDefaults;
  readonly choices: CollectionChoices;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/collections/{collection}";

export function collectionRoutes(parts: Parts): readonly Route[] {
  return [listCollections(parts), putCollection(parts), getCollection(parts), deleteCollection(parts), warm(parts), refresh(parts)];
}

/** By a collection's or an alias's name; throws `not_found`. */
export function requireCollection(catalog: CollectionCatalog, nameOrAlias: string, param = "collection"): CollectionRecord {
  const resolved = catalog.resolve(nameOrAlias);
  if (resolved !== null) return resolved.record;
  throw kennelError("not_found", { message: `There is no collection or alias "${nameOrAlias}"`, param });
}

/** Aliases of one collection, by name. */
export function aliasesOf(catalog: CollectionCatalog, collection: string): readonly string[] {
  return catalog.aliases().flatMap((record) => (record.collection === collection ? [record.alias] : []));
}

/** Aliases of every collection, looked through once for a whole page. */
function aliasesByCollection(catalog: CollectionCatalog): ReadonlyMap<string, readonly string[]> {
  const aliases = new Map<string, string[]>();
  for (const { collection, alias } of catalog.aliases()) {
    const known = aliases.get(collection);
    if (known === undefined) aliases.set(collection, [alias]);
    else known.push(alias);
  }
  return aliases;
}

function listCollections({ catalog, limits }: Parts): Route {
  return {
    method: "GET",
    path: "/v1/collections",
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listCollections",
      summary: "List collections, ordered by name",
      tag: "collections",
      parameters: PAGE_PARAMETERS,
      request: null,
      answers: {
        200: jsonAnswer("A page of collections", pageSchema(collectionSchema, "CollectionPage"), {
          object: "list",
          data: [EXAMPLE_COLLECTION],
          next: null,
        }),
      },
      errors: [],
    },
    handle(exchange) {
      const page = parsePage(exchange.query());
      const aliases = aliasesByCollection(catalog);
      return json(
        200,
        fromPage(catalog.list(page), (record) => fromCollection(record, aliases.get(record.name) ?? [])),
      );
    },
  };
}

function putCollection({ catalog, adoption, defaults, choices, limits }: Parts): Route {
  const example = { language: "english", attributes: { lang: "string" } };
  return {
    method: "PUT",
    path: PATH,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "putCollection",
      summary: "Make a collection, or change its settings; with adopt, of a collection of Milvus that is not Kennel's",
      tag: "collections",
      parameters: [COLLECTION_PARAMETER],
      request: { isRequired: false, content: { [JSON_TYPE]: { schema: collectionSettingsSchema, example } } },
      answers: {
        200: jsonAnswer("It existed; its settings are now these", collectionSchema, EXAMPLE_COLLECTION),
        201: jsonAnswer(
          "It was made",
          collectionSchema,
          { ...EXAMPLE_COLLECTION, documents: 0, chunks: 0, index_version: 0, aliases: [] },
          ["Location"],
        ),
      },
      errors: ["not_found", "conflict", "storage_full"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const body = await exchange.optionalJson();
      const asked = parseCollectionSettings(body, defaults, choices);
      const request = parseAdoption(body);
      const known = catalog.resolve(name)?.record.settings.adopt ?? null;
      const settings = request === null ? asked : await adoption.adopt(request, asked, known, exchange.signal);
      const { record, outcome } = await catalog.put(name, settings, exchange.signal);
      const isNew = outcome === "created";
      return json(
        isNew ? 201 : 200,
        fromCollection(record, aliasesOf(catalog, name)),
        isNew ? { location: `/v1/collections/${name}` } : {},
      );
    },
  };
}

function getCollection({ catalog, limits }: Parts): Route {
  return {
    method: "GET",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getCollection",
      summary: "Show a collection",
      tag: "collections",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The collection", collectionSchema, EXAMPLE_COLLECTION) },
      errors: ["not_found"],
    },
    handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const record = requireCollection(catalog, name);
      return json(200, fromCollection(record, aliasesOf(catalog, record.name)));
    },
  };
}

function deleteCollection({ catalog, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "deleteCollection",
      summary: "Delete a collection with its documents, jobs and aliases",
      tag: "collections",
      parameters: [COLLECTION_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("It is gone", deletedSchema, { object: "collection.deleted", id: "docs", deleted: true }) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      if (!(await catalog.delete(name, exchange.signal))) {
        throw kennelError("not_found", { message: `There is no collection "${name}"`, param: "collection" });
      }
      return json(200, { object: "collection.deleted", id: name, deleted: true });
    },
  };
}

function warm({ catalog, registry, limits }: Parts): Route {
  return {
    method: "POST",
    path: `${PATH}/warm`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "warmCollection",
      summary: "Make the collection's retriever ready before it is asked",
      tag: "collections",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("It is ready", warmedSchema, { object: "collection.warmed", collection: "docs" }) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const record = requireCollection(catalog, name);
      await registry.warm(name, exchange.signal);
      return json(200, { object: "collection.warmed", collection: record.name });
    },
  };
}

function refresh({ catalog, registry, limits }: Parts): Route {
  return {
    method: "POST",
    path: `${PATH}/refresh`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "refreshCollection",
      summary: "Bring the collection's retriever to the newest index version",
      tag: "collections",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("It is up to date", warmedSchema, { object: "collection.refreshed", collection: "docs" }) },
      errors: ["not_found"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const record = requireCollection(catalog, name);
      await unlessAborted(registry.refresh(record.name, record.indexVersion), exchange.signal);
      return json(200, { object: "collection.refreshed", collection: record.name });
    },
  };
}
