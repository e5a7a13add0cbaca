import { SEARCH } from "../../actors/retriever/search.ts";
import type { Transport } from "../../transport/transport.ts";
import { parseSearch, searchAnswerSchema, searchRequestSchema } from "../schema/search.ts";
import { encodeAnswer, JSON_TYPE } from "./answer.ts";
import type { CollectionCatalog } from "./collaborators.ts";
import { requireCollection } from "./collection_routes.ts";
import { COLLECTION_OR_ALIAS_PARAMETER, jsonAnswer, TIMEOUT_PARAMETER } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
}

const HEADERS = { "content-type": JSON_TYPE } as const;

const EXAMPLE_ANSWER = {
  object: "list",
  data: [
    {
      id: "guide.md#0",
      document_id: "guide.md",
      parent_id: null,
      title: "Guide",
      url: "",
      score: 0.93,
      score_type: "weighted",
      text: "Kennel keeps retrievers warm.",
      attributes: { lang: "en", year: 2026 },
      ranks: { vector: 2, bm25: 1 },
      scores: { vector: 0.61, bm25: 7.2, fused: 0.93 },
    },
  ],
  mode: "full",
  degradations: [],
  timings_ms: { queue: 0.1, embed: 0.2, vector: 1.9, bm25: 1.2, fuse: 0.1, fetch: 0.8, total: 3.4 },
  cache: "miss",
  index_version: 7,
  freshness: { index: "store", age_ms: 0 },
};

export function searchRoutes({ transport, catalog, limits }: Parts): readonly Route[] {
  const route: Route = {
    method: "POST",
    path: "/v1/collections/{collection}/search",
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "search",
      summary: "Ask a collection; the header Cache-Control: no-cache passes by the result cache",
      tag: "search",
      parameters: [COLLECTION_OR_ALIAS_PARAMETER, TIMEOUT_PARAMETER],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: {
            schema: searchRequestSchema,
            example: { query: "what keeps retrievers warm?", top_k: 5, filters: { type: "eq", key: "lang", value: "en" } },
          },
        },
      },
      answers: {
        200: jsonAnswer("The passages found, best first; none is an answer too, an outage never is", searchAnswerSchema, EXAMPLE_ANSWER),
      },
      errors: ["not_found", "payload_too_large", "unsupported_media_type", "degraded"],
    },
    async handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const parsed = parseSearch(await exchange.json());
      if (parsed.timeoutMs !== null) exchange.limitTime(parsed.timeoutMs);
      const { attributes } = requireCollection(catalog, name);
      const request = parsed.toRequest(name, attributes, !bypassesCache(exchange.request));
      const answer = await transport.request(SEARCH, request, exchange.messageHeaders(), exchange.signal);
      return { status: 200, body: encodeAnswer(answer), headers: HEADERS };
    },
  };
  return [route];
}

function bypassesCache(request: Request): boolean {
  const directives = request.headers.get("cache-control");
  return directives !== null && /\bno-(cache|store)\b/i.test(directives);
}
