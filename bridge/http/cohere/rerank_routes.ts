import type { Reranker } from "../../../actors/reranker/reranker.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { fromScores, parseRerank, rerankAnswerSchema, rerankRequestSchema } from "../../schema/rerank.ts";
import { describe } from "../../schema/validate.ts";
import { JSON_TYPE, json } from "../answer.ts";
import { jsonAnswer } from "../descriptions.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";

interface Parts {
  readonly reranker: Reranker;
  readonly limits: BridgeLimits;
}

const EXAMPLE = { query: "hunting dogs", documents: ["A cat without a tail.", "A small scent hound."], top_n: 1 };
const EXAMPLE_ANSWER = {
  id: "7f1c",
  results: [{ index: 1, relevance_score: 0.71 }],
  meta: { api_version: { version: "2" }, billed_units: { search_units: 0 } },
};

/** Where Cohere's own client asks, and where those that copy its shape do. */
const PATHS = { "/v2/rerank": "rerank", "/v1/rerank": "rerankV1" } as const;

/** `POST /v2/rerank`: texts in the order in which they answer a query. */
export function rerankRoutes({ reranker, limits }: Parts): readonly Route[] {
  return Object.entries(PATHS).map(([path, operationId]) => ({
    method: "POST",
    path,
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId,
      summary:
        "Order texts by how well they answer a query, by the node's reranker; without one the score is (1 + cosine) / 2 of the embeddings",
      tag: "cohere",
      parameters: [],
      request: { isRequired: true, content: { [JSON_TYPE]: { schema: rerankRequestSchema, example: EXAMPLE } } },
      answers: { 200: jsonAnswer("The best texts, best first", rerankAnswerSchema, EXAMPLE_ANSWER) },
      errors: ["not_found", "payload_too_large", "unsupported_media_type"],
    },
    async handle(exchange) {
      const { model, query, documents, topN } = parseRerank(await exchange.json());
      if (model !== null && model !== reranker.name) {
        throw kennelError("not_found", { param: "model", message: `model is ${describe(model)}; allowed: ${reranker.name}` });
      }
      return json(200, fromScores(exchange.requestId, await reranker.rerank(query, documents, exchange.signal), topN));
    },
  }));
}
