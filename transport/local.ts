import { cancellationOf, unlessAborted } from "../runtime/cancellation.ts";
import type { Clock } from "../runtime/clock.ts";
import { kennelError, toKennelError } from "../runtime/errors.ts";
import { OpenRequest } from "./open_request.ts";
import type {
  Endpoint,
  Handler,
  MessageHeaders,
  ReadyHandler,
  StreamEndpoint,
  StreamHandler,
  StreamTransport,
  Transport,
} from "./transport.ts";

// Invariants:
//   T1. A request is settled once: by its handler, its deadline, its caller's cancellation or the end of `close`,
//       whichever comes first; what comes later is ignored.
//   T2. Whatever settles a request before its handler does aborts the handler's signal.
//   T3. After `close` has begun no handler is called nor asked for what it has ready, and when it has resolved no request is open.

/** The Transport port within one process: a request is a function call, its body handed over and not copied. */
export function localTransport(clock: Clock): Transport & StreamTransport {
  return new LocalTransport(clock);
}

class LocalTransport implements Transport, StreamTransport {
  readonly kind = "local";
  readonly #clock: Clock;
  readonly #handlers = new Map<string, Handler<never, unknown>>();
  readonly #readyHandlers = new Map<string, ReadyHandler<never, unknown>>();
  readonly #streamHandlers = new Map<string, StreamHandler<never, unknown>>();
  readonly #open = new Set<OpenRequest>();
  #closing: Promise<void> | null = null;
  #onQuiet: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isConnected(): boolean {
    return this.#closing === null;
  }

  serve<Request, Answer>(
    endpoint: Endpoint<Request, Answer>,
    handler: Handler<Request, Answer>,
    ready?: ReadyHandler<Request, Answer>,
  ): void {
    if (this.#handlers.has(endpoint.name)) throw new TypeError(`Cannot serve "${endpoint.name}": it has a handler already`);
    this.#handlers.set(endpoint.name, handler);
    if (ready !== undefined) this.#readyHandlers.set(endpoint.name, ready);
  }

  ready<Request, Answer>(endpoint: Endpoint<Request, Answer>, request: Request, headers: MessageHeaders): Answer | null {
    if (this.#closing !== null || !(headers.timeoutMs > 0)) return null; // `request` says why not
    const ready = this.#readyHandlers.get(endpoint.name) as ReadyHandler<Request, Answer> | undefined;
    return ready === undefined ? null : ready(request, headers);
  }

  request<Request, Answer>(
    endpoint: Endpoint<Request, Answer>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (this.#closing !== null) return Promise.reject(kennelError("draining"));
    const handler = this.#handlers.get(endpoint.name) as Handler<Request, Answer> | undefined;
    if (handler === undefined) return Promise.reject(kennelError("unavailable", { message: `Nobody serves "${endpoint.name}"` }));
    if (signal.aborted) return Promise.reject(cancellationOf(signal));
    if (!(headers.timeoutMs > 0)) return Promise.reject(kennelError("deadline_exceeded"));
    return new Promise<Answer>((resolve, reject) => {
      const open = new OpenRequest(this.#clock, headers.timeoutMs, signal, reject, () => this.#settled(open));
      this.#open.add(open);
      call(handler, request, headers, open.signal).then(
        (answer) => open.settle() && resolve(answer),
        (thrown) => open.fail(toKennelError(thrown)),
      );
    });
  }

  serveStream<Request, Chunk>(endpoint: StreamEndpoint<Request, Chunk>, handler: StreamHandler<Request, Chunk>): void {
    if (this.#streamHandlers.has(endpoint.name)) throw new TypeError(`Cannot serve "${endpoint.name}": it has a handler already`);
    this.#streamHandlers.set(endpoint.name, handler);
  }

  async *stream<Request, Chunk>(
    endpoint: StreamEndpoint<Request, Chunk>,
    request: Request,
    headers: MessageHeaders,
    signal: AbortSignal,
  ): AsyncGenerator<Chunk> {
    if (this.#closing !== null) throw kennelError("draining");
    const handler = this.#streamHandlers.get(endpoint.name) as StreamHandler<Request, Chunk> | undefined;
    if (handler === undefined) throw kennelError("unavailable", { message: `Nobody serves "${endpoint.name}"` });
    if (signal.aborted) throw cancellationOf(signal);
    if (!(headers.timeoutMs > 0)) throw kennelError("deadline_exceeded");
    const open = new OpenRequest(
      this.#clock,
      headers.timeoutMs,
      signal,
      () => undefined,
      () => this.#settled(open),
    );
    this.#open.add(open);
    let chunks: AsyncIterator<Chunk> | null = null;
    try {
      chunks = handler(request, headers, open.signal)[Symbol.asyncIterator]();
      while (true) {
        const next = await unlessAborted(chunks.next(), open.signal);
        if (next.done === true) return;
        yield next.value;
      }
    } catch (thrown) {
      throw toKennelError(thrown);
    } finally {
      open.fail(kennelError("cancelled")); // T2: harmless after the last chunk
      chunks?.return?.().catch(() => undefined); // not waited for: a handler that ignores its signal holds up nobody
    }
  }

  close(limitMs: number): Promise<void> {
    this.#closing ??= this.#drain(limitMs);
    return this.#closing;
  }

  async #drain(limitMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      const limit = this.#clock.setTimer(limitMs, resolve);
      this.#onQuiet = () => {
        limit.cancel();
        resolve();
      };
    });
    for (const open of [...this.#open]) open.fail(kennelError("draining", { message: "Node stopped before the answer was ready" }));
  }

  #settled(open: OpenRequest): void {
    this.#open.delete(open);
    if (this.#open.size === 0) this.#onQuiet?.();
  }
}

/** A handler that throws before its first await rejects like any other. */
async function call<Request, Answer>(
  handler: Handler<Request, Answer>,
  request: Request,
  headers: MessageHeaders,
  signal: AbortSignal,
): Promise<Answer> {
  return handler(request, headers, signal);
}
