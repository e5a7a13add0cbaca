import { evaluateStrategies } from "../../actors/retriever/evaluation/evaluation.ts";
import { SEARCH } from "../../actors/retriever/search.ts";
import type { Transport } from "../../transport/transport.ts";
import { evaluationRequestSchema, evaluationSchema, fromEvaluation, parseEvaluation } from "../schema/evaluations.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionCatalog } from "./collaborators.ts";
import { requireCollection } from "./collection_routes.ts";
import { COLLECTION_OR_ALIAS_PARAMETER, jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
}

const EXAMPLE_INTERVAL = { mean: 0.449, low: 0.396, high: 0.507 };

export function evaluationRoutes({ transport, catalog, limits }: Parts): readonly Route[] {
  const evaluate: Route = {
    method: "POST",
    path: "/v1/collections/{collection}/evaluations",
    kind: "work",
    maxBodyBytes: limits.maxDocumentsBodyBytes, // judgements of many documents
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "evaluate",
      summary: "Judge the collection's ranking, strategies side by side, by questions whose relevant documents are known",
      tag: "search",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: {
            schema: evaluationRequestSchema,
            example: { queries: [{ query: "what keeps retrievers warm?", relevant: { "guide.md": 1 } }], strategies: ["bm25", "hybrid"] },
          },
        },
      },
      answers: {
        200: jsonAnswer("nDCG@10, MAP, MRR@10 and recall@100 of each strategy", evaluationSchema, {
          object: "evaluation",
          collection: "docs",
          index_version: 7,
          queries: 93,
          data: [
            {
              strategy: "hybrid",
              ndcg_10: EXAMPLE_INTERVAL,
              map: EXAMPLE_INTERVAL,
              mrr_10: EXAMPLE_INTERVAL,
              recall_100: EXAMPLE_INTERVAL,
              degraded: 0,
            },
          ],
        }),
      },
      errors: ["not_found", "payload_too_large", "unsupported_media_type", "degraded"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const request = parseEvaluation(name, await exchange.json());
      requireCollection(catalog, name);
      const results = await evaluateStrategies(request, (search) => {
        exchange.signal.throwIfAborted();
        return transport.request(SEARCH, search, exchange.messageHeaders(), exchange.signal);
      });
      return json(200, fromEvaluation(request, results));
    },
  };
  return [evaluate];
}
