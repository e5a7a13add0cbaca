import { urlFetchOff } from "../../actors/ingest/fetching/url_fetcher.ts";
import { refuseRepeatedIds } from "../schema/documents.ts";
import { fromJob, jobSchema } from "../schema/jobs.ts";
import { fetchedDocument, paramOfUrl, parseUrlDocuments, urlDocumentsRequestSchema } from "../schema/url_documents.ts";
import { JSON_TYPE, json } from "./answer.ts";
import type { CollectionCatalog, DocumentIngest, UrlSource } from "./collaborators.ts";
import { requireCollection } from "./collection_routes.ts";
import { COLLECTION_OR_ALIAS_PARAMETER, EXAMPLE_QUEUED_JOB, jsonAnswer } from "./descriptions.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

interface Parts {
  readonly catalog: CollectionCatalog;
  readonly ingest: DocumentIngest;
  /** Null: this node fetches nothing. */
  readonly urls: UrlSource | null;
  readonly limits: BridgeLimits;
}

export function urlRoutes({ catalog, ingest, urls, limits }: Parts): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/collections/{collection}/urls",
      kind: "work",
      maxBodyBytes: limits.maxBodyBytes,
      timeoutMs: limits.defaultWriteTimeoutMs,
      description: {
        operationId: "addUrls",
        summary:
          "Fetch documents from hosts that the node's operator allows, and add or replace them; all of them or, where one cannot be fetched, none",
        tag: "documents",
        parameters: [COLLECTION_OR_ALIAS_PARAMETER],
        request: {
          isRequired: true,
          content: {
            [JSON_TYPE]: {
              schema: urlDocumentsRequestSchema,
              example: { urls: ["https://docs.example.com/guide", { url: "https://docs.example.com/faq", id: "faq", title: "Questions" }] },
            },
          },
        },
        answers: { 202: jsonAnswer("They are fetched and on disk; the job goes on", jobSchema, EXAMPLE_QUEUED_JOB, ["Location"]) },
        errors: ["invalid_request", "forbidden", "not_found", "conflict", "payload_too_large", "unsupported_media_type", "storage_full"],
      },
      async handle(exchange) {
        const name = exchange.name("collection");
        exchange.refuseQuery();
        if (urls === null) throw urlFetchOff();
        const { name: collection } = requireCollection(catalog, name);
        const documents = parseUrlDocuments(await exchange.json(), urls.maxUrls);
        refuseRepeatedIds(documents, "urls");
        const wanted = documents.map(({ url }, place) => ({ url, param: paramOfUrl(place) }));
        const files = await urls.fetchAll(wanted, { collection, requestId: exchange.requestId }, exchange.signal);
        const fetched = files.map((file, place) => fetchedDocument(documents[place] as (typeof documents)[number], file));
        const job = await ingest.accept(collection, fetched, exchange.signal);
        return json(202, fromJob(job), { location: `/v1/jobs/${job.id}` });
      },
    },
  ];
}
