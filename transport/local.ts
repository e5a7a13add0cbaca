import { cancellationOf } from "../runtime/cancellation.ts";
import type { Clock } from "../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../runtime/errors.ts";
import type { Endpoint, Handler, MessageHeaders, Transport } from "./transport.ts";

// Invariants:
//   T1. A request is settled once: by its handler, its deadline, its caller's cancellation or the end of `close`,
//       whichever comes first; what comes later is ignored.
//   T2. Whatever settles a request before its handler does aborts the handler's signal.
//   T3. After `close` has begun no handler is called, and when it has resolved no request is open.

/** The Transport port within one process: a request is a function call, its body handed over and not copied. */
export function localTransport(clock: Clock): Transport {
  return new LocalTransport(clock);
}

class LocalTransport implements Transport {
  readonly kind = "local";
  readonly #clock: Clock;
  readonly #handlers = new Map<string, Handler<never, unknown>>();
  readonly #open = new Set<OpenRequest>();
  #closing: Promise<void> | null = null;
  #onQuiet: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isConnected(): boolean {
    return this.#closing === null;
  }

  serve<Request, Answer>(endpoint: Endpoint<Request, Answer>, handler: Handler<Request, Answer>): void {
    if (this.#handlers.has(endpoint.name)) throw new TypeError(`Cannot serve "${endpoint.name}": it has a handler already`);
    this.#handlers.set(endpoint.name, handler);
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

/** A request whose caller waits. */
class OpenRequest {
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignal;
  readonly #onCancel: () => void;
  readonly #deadline: { cancel(): void };
  readonly #reject: (error: KennelError) => void;
  readonly #onSettled: () => void;
  #isSettled = false;

  constructor(clock: Clock, timeoutMs: number, callerSignal: AbortSignal, reject: (error: KennelError) => void, onSettled: () => void) {
    this.#reject = reject;
    this.#onSettled = onSettled;
    this.#callerSignal = callerSignal;
    this.#onCancel = () => this.fail(cancellationOf(callerSignal));
    callerSignal.addEventListener("abort", this.#onCancel, { once: true });
    this.#deadline = clock.setTimer(timeoutMs, () => this.fail(kennelError("deadline_exceeded")));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** True for the first call only (T1). */
  settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#deadline.cancel();
    this.#callerSignal.removeEventListener("abort", this.#onCancel);
    this.#onSettled();
    return true;
  }

  fail(error: KennelError): void {
    if (!this.settle()) return;
    this.#controller.abort(error); // T2
    this.#reject(error);
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
