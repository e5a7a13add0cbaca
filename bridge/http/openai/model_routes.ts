/** Collections as OpenAI's models: what a client with a menu of models offers to ask. */
import { z } from "zod";
import type { EmbeddingModel } from "../../../actors/embedding/embedding.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { modelListSchema, modelSchema, toModel, type WireModel } from "../../schema/openai/models.ts";
import { json } from "../answer.ts";
import type { CollectionCatalog } from "../collaborators.ts";
import { jsonAnswer } from "../descriptions.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Parameter, Route } from "../route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly embedding: EmbeddingModel;
  readonly limits: BridgeLimits;
}

const PAGE = 1_000;
const EXAMPLE: WireModel = { id: "docs", object: "model", created: 1_767_605_400, owned_by: "kennel" };
const MODEL_PARAMETER: Parameter = {
  name: "model",
  in: "path",
  description: "A collection, an alias, or the embedding model",
  schema: z.string().min(1).max(128),
  example: "docs",
};

export function modelRoutes(parts: Parts): readonly Route[] {
  return [listModels(parts), getModel(parts)];
}

function listModels({ catalog, embedding, limits }: Parts): Route {
  return {
    method: "GET",
    path: "/v1/models",
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listModels",
      summary: "List what OpenAI's clients take for models: collections, aliases and the embedding model",
      tag: "openai",
      parameters: [],
      request: null,
      answers: { 200: jsonAnswer("All of them", modelListSchema, { object: "list", data: [EXAMPLE] }) },
      errors: [],
    },
    handle: () => json(200, { object: "list", data: modelsOf(catalog, embedding) }),
  };
}

function getModel({ catalog, embedding, limits }: Parts): Route {
  return {
    method: "GET",
    path: "/v1/models/{model}",
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getModel",
      summary: "Show a collection, an alias or the embedding model as a model",
      tag: "openai",
      parameters: [MODEL_PARAMETER],
      request: null,
      answers: { 200: jsonAnswer("The model", modelSchema, EXAMPLE) },
      errors: ["not_found"],
    },
    handle(exchange) {
      const id = exchange.param("model");
      if (id === embedding.name) return json(200, toModel(id, 0)); // no collection, so any key may see it
      const resolved = catalog.resolve(id);
      if (resolved !== null) return json(200, toModel(id, resolved.record.createdAtMs));
      throw kennelError("not_found", {
        param: "model",
        message: "There is no such collection, alias or embedding model; /v1/models lists all",
      });
    },
  };
}

function modelsOf(catalog: CollectionCatalog, embedding: EmbeddingModel): readonly WireModel[] {
  const models = new Map<string, WireModel>();
  let after: string | null = null;
  do {
    const page: ReturnType<CollectionCatalog["list"]> = catalog.list({ after, limit: PAGE });
    for (const { name, createdAtMs } of page.items) models.set(name, toModel(name, createdAtMs));
    after = page.next;
  } while (after !== null);
  for (const { alias, collection } of catalog.aliases()) {
    if (!models.has(alias)) models.set(alias, toModel(alias, (models.get(collection)?.created ?? 0) * 1_000));
  }
  if (!models.has(embedding.name)) models.set(embedding.name, toModel(embedding.name, 0));
  return [...models.values()];
}
