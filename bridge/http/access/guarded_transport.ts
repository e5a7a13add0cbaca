/**
 * The way to the retrievers for one grant. Whatever a route hands on goes in the grant's scope and under its whole names: a
 * route cannot ask in another's, however it makes its headers. An endpoint that is not known here is not let through.
 */
import { CHAT, type ChatQuestion } from "../../../actors/chat/chat.ts";
import { type AcrossAnswer, type AcrossRequest, SEARCH_ACROSS } from "../../../actors/retriever/across/across.ts";
import { SEARCH, type SearchRequest } from "../../../actors/retriever/search.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { MessageHeaders, StreamTransport, Transport } from "../../../transport/transport.ts";
import type { Guard } from "./guard.ts";

export function guardedTransport(inner: Transport, guard: Guard): Transport {
  const names = new Names(guard);
  const scoped = ({ requestId, timeoutMs, traceparent }: MessageHeaders): MessageHeaders => ({
    requestId,
    timeoutMs,
    traceparent,
    scope: guard.scope,
  });
  return {
    kind: inner.kind,
    get isConnected() {
      return inner.isConnected;
    },
    async request(endpoint, request, headers, signal) {
      return names.answerOf(endpoint.name, await inner.request(endpoint, names.requestOf(endpoint.name, request), scoped(headers), signal));
    },
    ready: (endpoint, request, headers) => inner.ready(endpoint, names.requestOf(endpoint.name, request), scoped(headers)),
    serve() {
      throw new TypeError("A grant's transport asks and serves nothing");
    },
    close: () => Promise.resolve(),
  };
}

export function guardedStreams(inner: StreamTransport, guard: Guard): StreamTransport {
  const names = new Names(guard);
  return {
    stream: (endpoint, request, headers, signal) =>
      inner.stream(endpoint, names.requestOf(endpoint.name, request), { ...headers, scope: guard.scope }, signal),
    serveStream() {
      throw new TypeError("A grant's transport asks and serves nothing");
    },
  };
}

/** Requests with whole names, answers with the caller's. */
class Names {
  readonly #guard: Guard;
  /** A question that is asked again is the same object, by which what is known of it is found. */
  readonly #known = new WeakMap<SearchRequest, SearchRequest>();

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  requestOf<Request>(endpoint: string, request: Request): Request {
    switch (endpoint) {
      case SEARCH.name:
        return this.#search(request as SearchRequest) as Request;
      case SEARCH_ACROSS.name: {
        const across = request as AcrossRequest;
        return { ...across, searches: across.searches.map((search) => this.#search(search)) } as Request;
      }
      case CHAT.name:
        return { ...request, collection: this.#guard.inward((request as ChatQuestion).collection) };
      default:
        throw kennelError("forbidden");
    }
  }

  answerOf<Answer>(endpoint: string, answer: Answer): Answer {
    if (endpoint !== SEARCH_ACROSS.name || !this.#guard.isTenants) return answer;
    const across = answer as AcrossAnswer;
    const named = <Part extends { readonly collection: string }>(parts: readonly Part[]): Part[] =>
      parts.map((part) => ({ ...part, collection: this.#guard.outward(part.collection) }));
    const { data, degradations, collections } = across;
    return { ...across, data: named(data), degradations: named(degradations), collections: named(collections) } as Answer;
  }

  #search(request: SearchRequest): SearchRequest {
    if (!this.#guard.isTenants) return request;
    const known = this.#known.get(request);
    if (known !== undefined) return known;
    const whole = { ...request, collection: this.#guard.inward(request.collection) };
    this.#known.set(request, whole);
    return whole;
  }
}
