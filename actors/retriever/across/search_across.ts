import { Buffer } from "node:buffer";
import type { Clock } from "../../../runtime/clock.ts";
import { type KennelError, toKennelError } from "../../../runtime/errors.ts";
import type { MessageHeaders } from "../../../transport/transport.ts";
import type { EncodedAnswer, Hit, SearchRequest } from "../search.ts";
import type { AcrossAnswer, AcrossDegradation, AcrossHit, AcrossRequest, PartAnswer } from "./across.ts";
import { mergeAcross } from "./merge.ts";

export interface AcrossParts {
  readonly clock: Clock;
  readonly search: (request: SearchRequest, headers: MessageHeaders, signal: AbortSignal) => Promise<EncodedAnswer>;
}

/** Hits that each collection brings up, from which the best of all are chosen, unless more are asked for. */
const DEPTH = 50;
/** What one collection may take of the time: the others' hits are answered though it hangs. */
const PART_SHARE = 0.9;

type Outcome =
  | { readonly ok: true; readonly collection: string; readonly answer: EncodedAnswer }
  | { readonly ok: false; readonly collection: string; readonly error: KennelError };

/**
 * Asks several collections side by side and makes one list of what they find. A collection that fails or hangs is reported,
 * and fatal only where a degraded answer will not do or none has answered; then the first one's error is thrown.
 */
export async function searchAcross(
  { clock, search }: AcrossParts,
  { searches, fusion }: AcrossRequest,
  headers: MessageHeaders,
  signal: AbortSignal,
): Promise<AcrossAnswer> {
  const startedMs = clock.monotonicMs();
  const own = { ...headers, timeoutMs: headers.timeoutMs * PART_SHARE };
  const outcomes = await Promise.all(searches.map((request) => attempt(search, deepened(request, fusion), own, signal)));
  signal.throwIfAborted();
  const answered = outcomes.filter((outcome) => outcome.ok);
  const failed = outcomes.filter((outcome) => !outcome.ok);
  const [first] = searches;
  const [failure] = failed;
  if (first === undefined || (failure !== undefined && (answered.length === 0 || first.allowDegraded === false))) throw failure?.error;
  const parts = answered.map(({ collection, answer }) => ({
    collection,
    hits: JSON.parse(Buffer.from(answer.hits).toString("utf8")) as readonly Hit[],
  }));
  const hits = mergeAcross(parts, first, fusion).map((hit) => shown(hit, first));
  return {
    object: "list",
    data: hits,
    mode: worstMode(answered.map(({ answer }) => answer)),
    degradations: [
      ...failed.map(
        ({ collection, error }): AcrossDegradation => ({
          collection,
          stage: "collection",
          reason: error.code,
          service: "retriever",
          breaker: "closed",
        }),
      ),
      ...answered.flatMap(({ collection, answer }) => answer.rest.degradations.map((one) => ({ collection, ...one }))),
    ],
    timings_ms: { total: Math.round((clock.monotonicMs() - startedMs) * 1_000) / 1_000 },
    collections: answered.map(({ collection, answer: { rest } }): PartAnswer => {
      const { mode, cache, index_version, freshness } = rest;
      return { collection, mode, cache, index_version, freshness };
    }),
  };
}

async function attempt(
  search: AcrossParts["search"],
  request: SearchRequest,
  headers: MessageHeaders,
  signal: AbortSignal,
): Promise<Outcome> {
  const { collection } = request;
  try {
    return { ok: true, collection, answer: await search(request, headers, signal) };
  } catch (thrown) {
    return { ok: false, collection, error: toKennelError(thrown) };
  }
}

/** With more hits and their raw scores; a threshold speaks of the score that they get when all are known. */
function deepened(request: SearchRequest, fusion: AcrossRequest["fusion"]): SearchRequest {
  const topK = Math.min(Math.max(request.topK, DEPTH), request.candidateK);
  return { ...request, topK, fusion, scoreThreshold: null, include: [...new Set([...request.include, "scores" as const])] };
}

function shown({ scores, ...hit }: AcrossHit, { include }: SearchRequest): AcrossHit {
  return include.includes("scores") && scores !== undefined ? { ...hit, scores } : hit;
}

function worstMode(answers: readonly EncodedAnswer[]): AcrossAnswer["mode"] {
  const order = ["down", "stale", "lexical", "basic", "no_rerank", "no_rewrite", "full"] as const;
  return order.find((mode) => answers.some(({ rest }) => rest.mode === mode)) ?? "full";
}
