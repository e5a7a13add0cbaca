import type { EmbeddingModel } from "../../../actors/embedding/embedding.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { embeddingsAnswerSchema, embeddingsRequestSchema, fromVectors, parseEmbeddings } from "../../schema/openai/embeddings.ts";
import { describe, refuse } from "../../schema/validate.ts";
import { JSON_TYPE, json } from "../answer.ts";
import { jsonAnswer } from "../descriptions.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";

interface Parts {
  readonly embedding: EmbeddingModel;
  readonly limits: BridgeLimits;
}

/** `POST /v1/embeddings`: the node's own model, through its caches and batches. */
export function embeddingRoutes({ embedding, limits }: Parts): readonly Route[] {
  const route: Route = {
    method: "POST",
    path: "/v1/embeddings",
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "createEmbeddings",
      summary: "Turn texts into the vectors that collections of this node's model are searched by",
      tag: "openai",
      parameters: [],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: {
            schema: embeddingsRequestSchema,
            example: { model: embedding.name, input: ["hare", "hound"], encoding_format: "float" },
          },
        },
      },
      answers: {
        200: jsonAnswer("One vector a text, in their order", embeddingsAnswerSchema, {
          object: "list",
          data: [{ object: "embedding", index: 0, embedding: [0.6, -0.8] }],
          model: "static-minilm-256",
          usage: { prompt_tokens: 1, total_tokens: 1 },
        }),
      },
      errors: ["not_found", "payload_too_large", "unsupported_media_type"],
    },
    async handle(exchange) {
      const request = parseEmbeddings(await exchange.json());
      requireModel(embedding, request.model);
      const { dimensions } = embedding;
      if (request.dimensions !== null && request.dimensions !== dimensions)
        throw refuse("dimensions", `is ${request.dimensions}`, String(dimensions));
      const vectors = await embedAll(embedding, request.texts, exchange.signal);
      return json(200, fromVectors(embedding.name, request, vectors, dimensions));
    },
  };
  return [route];
}

/** Known by its whole name, or by the part that its provider knows it by. Throws `not_found`. */
function requireModel({ name }: EmbeddingModel, given: string): void {
  if (given === name || given === name.slice(name.indexOf(":") + 1)) return;
  throw kennelError("not_found", { param: "model", message: `model is ${describe(given)}; allowed: ${name}` });
}

async function embedAll(model: EmbeddingModel, texts: readonly string[], signal: AbortSignal) {
  const vectors: (Float32Array | null)[] = [];
  for (let start = 0; start < texts.length; start += model.maxBatch) {
    vectors.push(...(await model.embed(texts.slice(start, start + model.maxBatch), "document", signal)));
    signal.throwIfAborted();
  }
  return vectors;
}
