import type { Transport } from "../../../transport/transport.ts";
import { toFilter } from "../../schema/filters.ts";
import {
  fromHits,
  parseVectorStoreSearch,
  vectorStoreSearchAnswerSchema,
  vectorStoreSearchSchema,
} from "../../schema/openai/vector_stores.ts";
import { JSON_TYPE, json } from "../answer.ts";
import { ask, mergeHits, modeHeaders, question } from "../asked.ts";
import type { CollectionCatalog } from "../collaborators.ts";
import { requireCollection } from "../collection_routes.ts";
import { jsonAnswer, VECTOR_STORE_PARAMETER } from "../descriptions.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";

interface Parts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
}

const EXAMPLE_ANSWER = {
  object: "vector_store.search_results.page",
  search_query: ["what keeps retrievers warm?"],
  data: [
    {
      file_id: "guide.md",
      filename: "Guide",
      score: 0.93,
      attributes: { lang: "en" },
      content: [{ type: "text", text: "Kennel keeps retrievers warm." }],
    },
  ],
  has_more: false,
  next_page: null,
};

/** `POST /v1/vector_stores/{vector_store_id}/search`: a hybrid search whose passages come as OpenAI's clients read them. */
export function vectorStoreSearchRoutes({ transport, catalog, limits }: Parts): readonly Route[] {
  const route: Route = {
    method: "POST",
    path: "/v1/vector_stores/{vector_store_id}/search",
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "searchVectorStore",
      summary: "Ask a collection as OpenAI's vector store; X-Kennel-Mode and X-Kennel-Degradations say what the answer lacks",
      tag: "openai",
      parameters: [VECTOR_STORE_PARAMETER],
      request: {
        isRequired: true,
        content: {
          [JSON_TYPE]: {
            schema: vectorStoreSearchSchema,
            example: { query: "what keeps retrievers warm?", max_num_results: 5, filters: { type: "eq", key: "lang", value: "en" } },
          },
        },
      },
      answers: {
        200: jsonAnswer("The passages found, best first", vectorStoreSearchAnswerSchema, EXAMPLE_ANSWER, [
          "X-Kennel-Mode",
          "X-Kennel-Degradations",
        ]),
      },
      errors: ["not_found", "payload_too_large", "unsupported_media_type", "degraded"],
    },
    async handle(exchange) {
      const name = exchange.name("vector_store_id");
      const { queries, filters, maxResults, scoreThreshold } = parseVectorStoreSearch(await exchange.json());
      const filter = toFilter(filters, requireCollection(catalog, name, "vector_store_id").attributes);
      const answers = await Promise.all(
        queries.map((query) => ask(transport, exchange, question(name, query, maxResults, { filter, scoreThreshold }))),
      );
      const hits = mergeHits(
        answers.map((answer) => answer.hits),
        maxResults,
      );
      return json(200, fromHits(queries, hits), modeHeaders(answers));
    },
  };
  return [route];
}
