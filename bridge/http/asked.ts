/** Searches whose hits another protocol than Kennel's own writes out. */
import { DEFAULT_OPTIONS, type EncodedAnswer, type Hit, SEARCH, type SearchRequest } from "../../actors/retriever/search.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Exchange } from "./exchange.ts";

export interface AskedAnswer {
  readonly hits: readonly Hit[];
  readonly rest: EncodedAnswer["rest"];
}

const CANDIDATES = 100;

/** A question in a collection's default strategy, with text and attributes of each hit. */
export function question(
  collection: string,
  query: string,
  topK: number,
  rest: Partial<Pick<SearchRequest, "filter" | "scoreThreshold" | "groupBy">> = {},
): SearchRequest {
  return {
    collection,
    query,
    vector: null,
    strategy: "hybrid",
    options: DEFAULT_OPTIONS,
    topK,
    candidateK: Math.max(CANDIDATES, topK),
    filter: null,
    fusion: null,
    groupBy: null,
    scoreThreshold: null,
    allowDegraded: null,
    minVersion: null,
    include: ["text", "attributes"],
    rerank: false,
    explain: false,
    useCache: true,
    ...rest,
  };
}

const decoder = new TextDecoder();

export async function ask(transport: Transport, exchange: Exchange, request: SearchRequest): Promise<AskedAnswer> {
  const headers = exchange.messageHeaders();
  const answer = transport.ready(SEARCH, request, headers) ?? (await transport.request(SEARCH, request, headers, exchange.signal));
  return { hits: JSON.parse(decoder.decode(answer.hits)) as readonly Hit[], rest: answer.rest };
}

/** What a protocol without fields for it says in headers: the worst mode of the answers, and what each of them lacked. */
export function modeHeaders(answers: readonly AskedAnswer[]): Record<string, string> {
  const degraded = answers.find(({ rest }) => rest.mode !== "full") ?? answers[0];
  const lacking = new Set(
    answers.flatMap(({ rest }) => rest.degradations.map(({ stage, reason, service }) => `${stage}:${reason}:${service}`)),
  );
  return {
    "x-kennel-mode": degraded?.rest.mode ?? "full",
    ...(lacking.size === 0 ? {} : { "x-kennel-degradations": [...lacking].join(", ") }),
  };
}

/** Several lists as one: each passage once, at its best score; equal scores by id. */
export function mergeHits(lists: readonly (readonly Hit[])[], limit: number): readonly Hit[] {
  const best = new Map<string, Hit>();
  for (const hit of lists.flat()) if (hit.score > (best.get(hit.id)?.score ?? -1)) best.set(hit.id, hit);
  return [...best.values()].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)).slice(0, limit);
}
