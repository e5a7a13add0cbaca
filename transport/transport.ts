/** What travels beside the body, the same over every transport. */
export interface MessageHeaders {
  readonly requestId: string;
  /** Milliseconds the asker still waits. */
  readonly timeoutMs: number;
  /** W3C traceparent; null: not traced. */
  readonly traceparent: string | null;
  readonly scope: Scope;
}

/** Who asks. Part of every cache, coalescing and batch key. */
export interface Scope {
  readonly tenant: string;
  /** Sorted. Null: no restriction (authentication is off, or an administrator asks). */
  readonly principals: readonly string[] | null;
}

export const OPEN_SCOPE: Scope = { tenant: "default", principals: null };

/** One stable string per scope, for keys. */
export function scopeKey(scope: Scope): string {
  return scope.principals === null ? `${scope.tenant}|*` : JSON.stringify([scope.tenant, ...scope.principals]);
}

export interface Endpoint<Request, Answer> {
  /** Last tokens of the subject: `search`, `documents.add`. */
  readonly name: string;
  readonly types?: readonly [Request, Answer];
}

export type Handler<Request, Answer> = (request: Request, headers: MessageHeaders, signal: AbortSignal) => Promise<Answer>;

/** An endpoint that answers in chunks; over a network each is one message, and an empty one ends them. */
export interface StreamEndpoint<Request, Chunk> {
  readonly name: string;
  readonly types?: readonly [Request, Chunk];
}

/** Chunks in order. The signal aborts when nobody reads them any more. */
export type StreamHandler<Request, Chunk> = (request: Request, headers: MessageHeaders, signal: AbortSignal) => AsyncIterable<Chunk>;

/** What a handler can say without waiting; null: nothing, the request has to be sent. Throws a `KennelError`. */
export type ReadyHandler<Request, Answer> = (request: Request, headers: MessageHeaders) => Answer | null;

/**
 * How messages travel between what asks and what answers. In one process a body is handed over as it is; it must be
 * plain data (or bytes) and must not be changed after it was given away.
 */
export interface Transport {
  readonly kind: "local" | "nats";
  /** Whether a request can be sent now; the local one always can until it is closed. */
  readonly isConnected: boolean;
  /** Rejects with the handler's `KennelError`, or `deadline_exceeded`, `cancelled`, `unavailable` (nobody serves the endpoint). */
  request<Request, Answer>(
    endpoint: Endpoint<Request, Answer>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): Promise<Answer>;
  /**
   * The answer that the endpoint's handler has ready on this side, such as one it keeps: it costs neither a timer nor a
   * signal. Null: the request has to be sent; always so where the handler is elsewhere.
   */
  ready<Request, Answer>(endpoint: Endpoint<Request, Answer>, request: Request, headers: MessageHeaders): Answer | null;
  /** At most one handler an endpoint; a second one throws a `TypeError`. `ready` is asked by `ready` alone. */
  serve<Request, Answer>(
    endpoint: Endpoint<Request, Answer>,
    handler: Handler<Request, Answer>,
    ready?: ReadyHandler<Request, Answer>,
  ): void;
  /** Refuses new requests with `draining`, waits for open ones at most `limitMs`. */
  close(limitMs: number): Promise<void>;
}

/** The part of a transport that carries answers in chunks. */
export interface StreamTransport {
  /** Throws as `Transport.request` rejects, also between two chunks. Who leaves the loop early aborts the handler's signal. */
  stream<Request, Chunk>(
    endpoint: StreamEndpoint<Request, Chunk>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): AsyncIterable<Chunk>;
  /** At most one handler an endpoint; a second one throws a `TypeError`. */
  serveStream<Request, Chunk>(endpoint: StreamEndpoint<Request, Chunk>, handler: StreamHandler<Request, Chunk>): void;
}
