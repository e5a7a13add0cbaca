/**
 * The server's HTTP API as the page uses it. Every call ends: by its answer, its timeout or the caller's signal.
 * @import { ChatMessage, ChatPart, CollectionAnswer, CollectionItem, EvaluationRow, Failure, JobAnswer, JudgedQuestion, SearchAnswer, StatusAnswer, TimedAnswer } from "../wire.ts"
 */
import { readChat } from "./chat_stream.js";

/** What a call rejects with; `failure` is ready to be shown. */
export class ApiError extends Error {
  /** @param {Failure} failure */
  constructor(failure) {
    super(failure.message);
    this.name = "ApiError";
    this.failure = failure;
  }
}

/**
 * Reads a failed answer's body. A proxy may have put anything there, so nothing is taken for granted.
 * @param {number} status
 * @param {string} body
 * @param {Headers} headers
 * @returns {Failure}
 */
export function readFailure(status, body, headers) {
  const error = errorIn(body);
  const retryAfterS = Number(headers.get("retry-after"));
  return {
    code: typeof error.code === "string" ? error.code : `http_${status}`,
    message: typeof error.message === "string" && error.message !== "" ? error.message : `The server answered with status ${status}`,
    param: typeof error.param === "string" ? error.param : null,
    status,
    requestId: headers.get("x-request-id"),
    retryAfterMs: retryAfterS > 0 ? retryAfterS * 1000 : null,
    isRetryable: status === 429 || status >= 500,
  };
}

/**
 * @param {string} body
 * @returns {Record<string, unknown>}
 */
function errorIn(body) {
  try {
    const parsed = JSON.parse(body);
    return typeof parsed?.error === "object" && parsed.error !== null ? parsed.error : {};
  } catch {
    return {};
  }
}

/**
 * @param {unknown} thrown
 * @returns {Failure} what to show for anything that a call threw
 */
export function toFailure(thrown) {
  if (thrown instanceof ApiError) return thrown.failure;
  const isTimeout = thrown instanceof Error && thrown.name === "TimeoutError";
  return {
    code: isTimeout ? "timeout" : "unreachable",
    message: isTimeout ? "The server did not answer in time" : "The server cannot be reached",
    param: null,
    status: 0,
    requestId: null,
    retryAfterMs: null,
    isRetryable: true,
  };
}

/**
 * @typedef {object} Api
 * @property {(signal: AbortSignal) => Promise<CollectionItem[]>} collections
 * @property {(question: Question, signal: AbortSignal) => Promise<TimedAnswer>} search
 * @property {(signal: AbortSignal) => Promise<StatusAnswer>} status
 * @property {(signal: AbortSignal) => Promise<string>} metrics the Prometheus text
 * @property {(collection: string, messages: readonly ChatMessage[], signal: AbortSignal) => AsyncIterable<ChatPart>} chat ends, or throws
 * @property {(collection: string, strategy: string, queries: readonly JudgedQuestion[], signal: AbortSignal) => Promise<EvaluationRow>} evaluate
 * @property {(name: string, signal: AbortSignal) => Promise<CollectionAnswer>} collection
 * @property {(id: string, signal: AbortSignal) => Promise<JobAnswer>} job
 * @property {(name: string, version: number, signal: AbortSignal) => Promise<CollectionAnswer>} switchBuild
 * @property {(name: string, version: number, signal: AbortSignal) => Promise<void>} dropBuild
 * @property {(name: string, body: object, signal: AbortSignal) => Promise<JobAnswer>} reindex
 */

/**
 * @typedef {object} Question
 * @property {string} collection
 * @property {string} query
 * @property {string} strategy
 * @property {number} topK
 */

const SEARCH_TIMEOUT_MS = 15_000;
const READ_TIMEOUT_MS = 5_000;
const CHAT_TIMEOUT_MS = 120_000;
const EVALUATION_TIMEOUT_MS = 300_000;
const WRITE_TIMEOUT_MS = 60_000;
/**
 * Only for what is read: a search that came with it would ask the server to pass over its result cache too.
 * @type {RequestInit}
 */
const READ = { cache: "no-store" };
const FIRST_PAGE = "/v1/collections?limit=1000";
/** A list to choose from is of no use beyond this; an address may still name any collection. */
const MAX_COLLECTIONS = 5_000;

/**
 * @param {object} options
 * @param {typeof globalThis.fetch} options.fetch
 * @param {() => number} options.nowMs a monotonic clock
 * @param {() => string | null} options.key the API key to send, if the server wants one
 * @returns {Api}
 */
export function createApi({ fetch, nowMs, key }) {
  /**
   * @param {string} path
   * @param {RequestInit} init
   * @param {number} timeoutMs
   * @param {AbortSignal} signal
   */
  async function open(path, init, timeoutMs, signal) {
    const headers = new Headers(init.headers);
    const bearer = key();
    if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
    const response = await fetch(path, {
      ...init,
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (!response.ok) throw new ApiError(readFailure(response.status, await response.text(), response.headers));
    return response;
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   * @param {number} timeoutMs
   * @param {AbortSignal} signal
   */
  async function call(path, init, timeoutMs, signal) {
    const response = await open(path, init, timeoutMs, signal);
    return { body: await response.text(), requestId: response.headers.get("x-request-id") };
  }

  return {
    async collections(signal) {
      /** @type {CollectionItem[]} */
      const collections = [];
      let path = FIRST_PAGE;
      while (collections.length < MAX_COLLECTIONS) {
        /** @type {{ data: CollectionItem[], next: string | null }} */
        const page = JSON.parse((await call(path, READ, READ_TIMEOUT_MS, signal)).body);
        collections.push(...page.data);
        if (page.next === null) break;
        path = `${FIRST_PAGE}&after=${encodeURIComponent(page.next)}`;
      }
      return collections;
    },
    async search({ collection, query, strategy, topK }, signal) {
      const startedMs = nowMs();
      const init = {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, strategy, top_k: topK, include: ["text", "attributes", "scores", "ranks"] }),
      };
      const { body, requestId } = await call(`/v1/collections/${encodeURIComponent(collection)}/search`, init, SEARCH_TIMEOUT_MS, signal);
      /** @type {SearchAnswer} */
      const answer = JSON.parse(body);
      return { answer, roundTripMs: nowMs() - startedMs, requestId };
    },
    async status(signal) {
      return JSON.parse((await call("/v1/status", READ, READ_TIMEOUT_MS, signal)).body);
    },
    async metrics(signal) {
      return (await call("/metrics", READ, READ_TIMEOUT_MS, signal)).body;
    },
    async *chat(collection, messages, signal) {
      const timeout = { "x-request-timeout-ms": String(CHAT_TIMEOUT_MS) };
      const init = post({ model: collection, messages, stream: true }, timeout);
      const response = await open("/v1/chat/completions", init, CHAT_TIMEOUT_MS, signal);
      yield {
        kind: "begin",
        mode: response.headers.get("x-kennel-mode") ?? "",
        degradations: response.headers.get("x-kennel-degradations") ?? "",
        requestId: response.headers.get("x-request-id"),
      };
      for await (const part of readChat(response)) {
        if (part.kind === "failed") throw new ApiError(readFailure(200, part.body, response.headers));
        yield part;
      }
    },
    async evaluate(collection, strategy, queries, signal) {
      const timeout = { "x-request-timeout-ms": String(EVALUATION_TIMEOUT_MS) };
      const init = post({ queries, strategies: [strategy] }, timeout);
      const { body } = await call(`${pathOf(collection)}/evaluations`, init, EVALUATION_TIMEOUT_MS, signal);
      return JSON.parse(body).data[0];
    },
    async collection(name, signal) {
      return JSON.parse((await call(pathOf(name), READ, READ_TIMEOUT_MS, signal)).body);
    },
    async job(id, signal) {
      return JSON.parse((await call(`/v1/jobs/${encodeURIComponent(id)}`, READ, READ_TIMEOUT_MS, signal)).body);
    },
    async switchBuild(name, version, signal) {
      return JSON.parse((await call(`${pathOf(name)}/switch`, post({ version }), WRITE_TIMEOUT_MS, signal)).body);
    },
    async dropBuild(name, version, signal) {
      await call(`${pathOf(name)}/versions/${version}`, { method: "DELETE" }, WRITE_TIMEOUT_MS, signal);
    },
    async reindex(name, body, signal) {
      return JSON.parse((await call(`${pathOf(name)}/reindex`, post(body), WRITE_TIMEOUT_MS, signal)).body);
    },
  };
}

/** @param {string} collection */
function pathOf(collection) {
  return `/v1/collections/${encodeURIComponent(collection)}`;
}

/**
 * @param {object} body
 * @param {Record<string, string>} [headers]
 * @returns {RequestInit}
 */
function post(body, headers = {}) {
  return { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}
