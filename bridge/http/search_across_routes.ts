import { type AcrossAnswer, SEARCH_ACROSS } from "../../actors/retriever/across/across.ts";
import type { Transport } from "../../transport/transport.ts";
import { acrossAnswerSchema, acrossRequestSchema, parseAcross } from "../schema/search_across.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionCatalog } from "./collaborators.ts";
import { requireCollection } from "./collection_routes.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";
import { bypassesCache } from "./search_routes.ts";

interface Parts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
}

const EXAMPLE_ANSWER: AcrossAnswer = {
  object: "list",
  data: [
    {
      collection: "docs",
      id: "guide.md#0",
      document_id: "guide.md",
      parent_id: null,
      title: "Guide",
      url: "",
      score: 0.93,
      score_type: "weighted",
      text: "Kennel keeps retrievers warm.",
    },
  ],
  mode: "full",
  degradations: [{ collection: "notes", stage: "collection", reason: "unavailable", service: "retriever", breaker: "closed" }],
  timings_ms: { total: 3.4 },
  collections: [{ collection: "docs", mode: "full", cache: "miss", index_version: 7, freshness: { index: "resident", age_ms: 0 } }],
};

/** `POST /v1/search`: one question to several collections. */
export function searchAcrossRoutes({ transport, catalog, limits }: Parts): readonly Route[] {
  const route: Route = {
    method: "POST",
    path: "/v1/search",
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "searchAcross",
      summary: "Ask several collections at once; one that fails is a degradation. Each hit says its collection, scores are of one scale",
      tag: "search",
      parameters: [],
      headers: ["CacheControl"],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: {
            schema: acrossRequestSchema,
            example: { collections: ["docs"], query: "what keeps retrievers warm?", top_k: 5 },
          },
        },
      },
      answers: { 200: jsonAnswer("The passages found in all of them, best first", acrossAnswerSchema, EXAMPLE_ANSWER) },
      errors: ["not_found", "payload_too_large", "unsupported_media_type", "degraded"],
    },
    async handle(exchange) {
      exchange.refuseQuery();
      const body = parseAcross(await exchange.json());
      if (body.timeoutMs !== null) exchange.limitTime(body.timeoutMs);
      const request = body.toRequest((name, param) => requireCollection(catalog, name, param), !bypassesCache(exchange.request));
      return json(200, await transport.request(SEARCH_ACROSS, request, exchange.messageHeaders(), exchange.signal));
    },
  };
  return [route];
}
