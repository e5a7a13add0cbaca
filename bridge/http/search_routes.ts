import { type EncodedAnswer, SEARCH } from "../../actors/retriever/search.ts";
import type { HttpRequest } from "../../runtime/http_message.ts";
import type { Transport } from "../../transport/transport.ts";
import { searchAnswerSchema, searchRequestSchema } from "../schema/search.ts";
import { type Answer, AnswerEncoder, JSON_TYPE } from "./answer.ts";
import type { CollectionCatalog } from "./collaborators.ts";
import { requireCollection } from "./collection_routes.ts";
import { COLLECTION_OR_ALIAS_PARAMETER, jsonAnswer } from "./descriptions.ts";
import type { Exchange } from "./exchange.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";
import type { SearchBodies } from "./search_bodies.ts";

interface Parts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
  readonly bodies: SearchBodies;
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

export function searchRoutes({ transport, catalog, limits, bodies }: Parts): readonly Route[] {
  const encoder = new AnswerEncoder();
  const written = (answer: EncodedAnswer): Answer => ({
    status: 200,
    headers: HEADERS,
    body: encoder.encode(answer),
    encoding: "latin1",
  });
  /** Without a promise where the answer is ready. */
  const answer = (exchange: Exchange, name: string, bytes: Uint8Array): Answer | Promise<Answer> => {
    const body = bodies.read(bytes);
    if (body.timeoutMs !== null) exchange.limitTime(body.timeoutMs);
    const { attributes } = requireCollection(catalog, name);
    const request = body.toRequest(name, attributes, !bypassesCache(exchange.request));
    const headers = exchange.messageHeaders();
    const ready = transport.ready(SEARCH, request, headers);
    return ready === null ? transport.request(SEARCH, request, headers, exchange.signal).then(written) : written(ready);
  };
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
      parameters: [COLLECTION_OR_ALIAS_PARAMETER],
      headers: ["CacheControl"],
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
    handle(exchange) {
      const name = exchange.name("collection");
      exchange.refuseQuery();
      const bytes = exchange.jsonBytes();
      return bytes instanceof Promise ? bytes.then((arrived) => answer(exchange, name, arrived)) : answer(exchange, name, bytes);
    },
  };
  return [route];
}

/** Whether the caller wants the result cache left alone. */
export function bypassesCache(request: HttpRequest): boolean {
  const directives = request.headers.get("cache-control");
  return directives !== null && /\bno-(cache|store)\b/i.test(directives);
}
