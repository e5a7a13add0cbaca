/** Collections that something else than Kennel has made in its vector store, before they are adopted. */
import { foreignCollectionSchema, foreignCollectionsSchema, foreignNameSchema, fromForeign } from "../schema/adoptions.ts";
import { validate } from "../schema/validate.ts";
import { json } from "./answer.ts";
import type { CollectionAdoption, CollectionCatalog } from "./collaborators.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Parameter, Route } from "./route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly adoption: CollectionAdoption;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/vector_store/collections";
const PAGE = 1_000;

const NAME_PARAMETER: Parameter = {
  name: "name",
  in: "path",
  description: "The collection's name in Milvus, or an alias of it there",
  schema: foreignNameSchema,
  example: "articles",
};

const EXAMPLE = {
  object: "vector_store.collection",
  name: "articles",
  adopted_as: ["news"],
  rows: 120_000,
  fields: [
    { name: "pk", type: "Int64", dimensions: null, is_primary_key: true },
    { name: "embedding", type: "FloatVector", dimensions: 256, is_primary_key: false },
    { name: "body", type: "VarChar", dimensions: null, is_primary_key: false },
    { name: "year", type: "Int64", dimensions: null, is_primary_key: false },
  ],
  adopt: {
    collection: "articles",
    mode: "read_only",
    fields: { id: "pk", vector: "embedding", text: "body", document_id: null, title: null, url: null },
  },
  adopted: {
    dimensions: 256,
    metric: "COSINE",
    index: "HNSW",
    lexical: "local_replica",
    strategies: ["vector", "bm25", "hybrid"],
    text_queries: true,
    attributes: { year: "number" },
    ignored: [],
    notes: ["Milvus has no BM25 function over its text: words are searched in a copy of the texts, which may be minutes behind"],
  },
  problem: null,
  read_only_because:
    'adopt.mode is read_write, and the store gives its primary key "pk" (autoID), so that no row could be written a second time; allowed: read_only',
};

export function foreignCollectionRoutes(parts: Parts): readonly Route[] {
  return [listForeign(parts), getForeign(parts)];
}

function listForeign({ catalog, adoption, limits }: Parts): Route {
  return {
    method: "GET",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listForeignCollections",
      summary: "List the collections of Milvus that are not Kennel's and can be adopted, at most 1,000",
      tag: "collections",
      parameters: [],
      request: null,
      answers: {
        200: jsonAnswer("Their names, in order", foreignCollectionsSchema, {
          object: "list",
          data: [{ object: "vector_store.collection", name: "articles", adopted_as: ["news"] }],
        }),
      },
      errors: ["conflict"],
    },
    async handle(exchange) {
      exchange.refuseQuery();
      const names = await adoption.list(exchange.signal);
      const adopters = adoptersOf(catalog);
      const data = names.map((name) => ({ object: "vector_store.collection", name, adopted_as: adopters.get(name) ?? [] }));
      return json(200, { object: "list", data });
    },
  };
}

function getForeign({ catalog, adoption, limits }: Parts): Route {
  return {
    method: "GET",
    path: `${PATH}/{name}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getForeignCollection",
      summary: "Show a collection of Milvus that is not Kennel's, and what adopting it would come to; nothing is changed",
      tag: "collections",
      parameters: [NAME_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("Its fields, and what they are taken for", foreignCollectionSchema, EXAMPLE) },
      errors: ["not_found", "conflict"],
    },
    async handle(exchange) {
      exchange.refuseQuery();
      const name = validate(foreignNameSchema, exchange.param("name"), ["name"]);
      return json(200, fromForeign(await adoption.look(name, exchange.signal), adoptersOf(catalog).get(name) ?? []));
    },
  };
}

/** Kennel's collections by the foreign one that each has adopted. */
function adoptersOf(catalog: CollectionCatalog): ReadonlyMap<string, readonly string[]> {
  const adopters = new Map<string, string[]>();
  let after: string | null = null;
  do {
    const page: ReturnType<CollectionCatalog["list"]> = catalog.list({ after, limit: PAGE });
    for (const { name, settings } of page.items) {
      if (settings.adopt === undefined) continue;
      const known = adopters.get(settings.adopt.collection);
      if (known === undefined) adopters.set(settings.adopt.collection, [name]);
      else known.push(name);
    }
    after = page.next;
  } while (after !== null);
  return adopters;
}
