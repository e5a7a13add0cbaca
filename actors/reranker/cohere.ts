import { Buffer } from "node:buffer";
import { cancellationOf, unlessAborted } from "../../runtime/cancellation.ts";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { HttpPool } from "../../runtime/http_pool.ts";
import type { Reranker } from "./reranker.ts";

export interface CohereOptions {
  /** The whole address: `https://api.cohere.com/v2/rerank`. */
  readonly url: string;
  /** Empty: none is sent. */
  readonly apiKey: string;
  readonly model: string;
  /** See `Reranker.weight`. */
  readonly weight: number;
  readonly pool: HttpPool;
}

const REFUSED = [400, 413, 422];
/** About a hundred bytes for each of 1,000 texts, and as much again. */
const MAX_ANSWER_BYTES = 262_144;

/**
 * A score on no particular scale, such as a cross-encoder's logit, as one from 0 to 1: (1 + x / (1 + |x|)) / 2. It grows
 * with x everywhere, so that the order stays, and is 0.5 at 0, as the logistic function is; unlike that one it does not
 * reach 1 at 37, so scales up to 100 or 1,000 keep their order as well.
 */
export function fromUnbounded(score: number): number {
  return (1 + score / (1 + Math.abs(score))) / 2;
}

/**
 * Cohere's rerank of version 2, and every service that takes its request (https://docs.cohere.com/v2/reference/rerank). One
 * attempt: ranking anew is worth a wait, but not a second one.
 */
export class CohereReranker implements Reranker {
  readonly name: string;
  readonly weight: number;
  readonly #options: CohereOptions;
  /** A score outside 0 to 1 was seen: from then on every score is mapped, so that those of two answers can be compared. */
  #isUnbounded = false;

  constructor(options: CohereOptions) {
    this.name = options.model;
    this.weight = options.weight;
    this.#options = options;
  }

  async rerank(query: string, texts: readonly string[], signal: AbortSignal): Promise<readonly number[]> {
    const release = await this.#options.pool.take(signal);
    try {
      const scores = readScores(await unlessAborted(this.#ask(query, texts, signal), signal), texts.length);
      this.#isUnbounded ||= scores.some((score) => score < 0 || score > 1);
      return this.#isUnbounded ? scores.map(fromUnbounded) : scores;
    } catch (thrown) {
      if (signal.aborted) throw cancellationOf(signal);
      throw thrown;
    } finally {
      release();
    }
  }

  async #ask(query: string, documents: readonly string[], signal: AbortSignal): Promise<unknown> {
    const { url, apiKey, model, pool } = this.#options;
    const init = {
      method: "POST",
      headers: { "content-type": "application/json", ...(apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` }) },
      body: JSON.stringify({ model, query, documents, top_n: documents.length }),
      redirect: "error",
      signal,
    } as const;
    const response = await pool.fetch(url, init).catch((cause) => {
      throw kennelError("unavailable", { message: "The reranker cannot be reached", cause });
    });
    if (response.ok) return readJson(response);
    await response.body?.cancel();
    if (response.status === 429) pool.slowDown();
    throw failureOf(response);
  }
}

function failureOf({ status, headers }: Response): KennelError {
  if (REFUSED.includes(status)) return kennelError("invalid_request", { message: `The reranker refused the request (${status})` });
  const seconds = Number.parseFloat(headers.get("retry-after") ?? "");
  const hint = seconds >= 0 ? { retryAfterMs: seconds * 1_000 } : {};
  return status === 429
    ? kennelError("overloaded", { message: "The reranker is busy", ...hint })
    : kennelError("unavailable", { message: `The reranker failed (${status})`, ...hint });
}

async function readJson({ body }: Response): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of body ?? []) {
      length += part.length;
      if (length > MAX_ANSWER_BYTES) throw new RangeError(`More than ${MAX_ANSWER_BYTES} bytes`);
      parts.push(part);
    }
    return JSON.parse(Buffer.concat(parts).toString());
  } catch (cause) {
    throw kennelError("unavailable", { message: "The reranker gave an answer that cannot be read", cause });
  }
}

/** @throws KennelError `unavailable` for whatever is not one finite score a text */
function readScores(answer: unknown, count: number): readonly number[] {
  const results = (answer as { readonly results?: unknown } | null)?.results;
  if (!Array.isArray(results) || results.length !== count) {
    throw nonsense(`${Array.isArray(results) ? `${results.length} scores` : "no scores"} for ${count} texts`);
  }
  const scores = new Array<number>(count).fill(Number.NaN);
  for (const result of results) {
    const { index, relevance_score: score } = (result ?? {}) as { readonly index?: unknown; readonly relevance_score?: unknown };
    if (typeof index !== "number" || !Number.isNaN(scores[index] ?? 0))
      throw nonsense(`a score for text ${JSON.stringify(index)} of ${count}`);
    if (typeof score !== "number" || !Number.isFinite(score)) throw nonsense("a score that is no number");
    scores[index] = score;
  }
  return scores;
}

function nonsense(found: string): KennelError {
  return kennelError("unavailable", { message: `The reranker gave ${found}` });
}
