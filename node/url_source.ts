import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { AddressPolicy } from "../actors/ingest/fetching/address_policy.ts";
import { type Resolver, UrlFetcher } from "../actors/ingest/fetching/url_fetcher.ts";
import type { UrlSource } from "../bridge/http/collaborators.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Callers that wait for others' documents to be fetched; beyond it `overloaded`. */
const MAX_WAITING = 64;

const systemResolver: Resolver = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** What fetches documents by URL; null where that is off. */
export function openUrlSource(
  config: Config,
  parts: { readonly clock: Clock; readonly logger: Logger; readonly metrics: Metrics },
  resolve = systemResolver,
): UrlSource | null {
  if (config.urlIngest === "off") return null;
  const { maxUrls, privateRanges, caFile, ...limits } = config.urlFetch;
  const fetcher = new UrlFetcher({
    ...limits,
    addresses: new AddressPolicy(privateRanges),
    resolve,
    maxWaiting: MAX_WAITING,
    maxTotalBytes: config.http.maxDocumentsBodyBytes,
    ca: caFile === "" ? null : readFileSync(caFile, "utf8"),
    metrics: parts.metrics.urlFetch,
    logger: parts.logger,
    clock: parts.clock,
  });
  return { maxUrls, fetchAll: (documents, audit, signal) => fetcher.fetchAll(documents, audit, signal) };
}
