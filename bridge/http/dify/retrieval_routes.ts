import type { Transport } from "../../../transport/transport.ts";
import { parseRetrieval, retrievalAnswerSchema, retrievalRequestSchema, toRecords } from "../../schema/dify.ts";
import { toFilter } from "../../schema/filters.ts";
import { JSON_TYPE, json } from "../answer.ts";
import { ask, modeHeaders, question } from "../asked.ts";
import type { CollectionCatalog } from "../collaborators.ts";
import { requireCollection } from "../collection_routes.ts";
import { jsonAnswer } from "../descriptions.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";

interface Parts {
  readonly transport: Transport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
}

const EXAMPLE = { knowledge_id: "docs", query: "what keeps retrievers warm?", retrieval_setting: { top_k: 3, score_threshold: 0.5 } };
const EXAMPLE_ANSWER = {
  records: [
    { content: "Kennel keeps retrievers warm.", score: 0.93, title: "Guide", metadata: { lang: "en", document_id: "guide.md", url: "" } },
  ],
};

/** `POST /dify/retrieval`: Dify's external knowledge API, whose endpoint is this node's address with `/dify`. */
export function retrievalRoutes({ transport, catalog, limits }: Parts): readonly Route[] {
  const route: Route = {
    method: "POST",
    path: "/dify/retrieval",
    kind: "work",
    maxBodyBytes: limits.maxBodyBytes,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "difyRetrieval",
      summary: "Ask a collection as an external knowledge base of Dify",
      tag: "dify",
      parameters: [],
      request: { isRequired: true, content: { [JSON_TYPE]: { schema: retrievalRequestSchema, example: EXAMPLE } } },
      answers: {
        200: jsonAnswer("The passages found, best first", retrievalAnswerSchema, EXAMPLE_ANSWER, [
          "X-Kennel-Mode",
          "X-Kennel-Degradations",
        ]),
      },
      errors: ["not_found", "payload_too_large", "unsupported_media_type", "degraded"],
    },
    async handle(exchange) {
      const { collection, query, topK, scoreThreshold, filters } = parseRetrieval(await exchange.json());
      const { attributes } = requireCollection(catalog, collection, "knowledge_id");
      const filter = toFilter(filters, attributes);
      const answer = await ask(transport, exchange, question(collection, query, topK, { filter, scoreThreshold }));
      return json(200, toRecords(answer.hits), modeHeaders([answer]));
    },
  };
  return [route];
}
