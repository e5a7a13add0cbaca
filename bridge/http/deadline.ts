import type { Clock, Timer } from "../../runtime/clock.ts";
import type { DeadlineQueue } from "../../runtime/deadline_queue.ts";
import { type KennelError, kennelError } from "../../runtime/errors.ts";

export interface DeadlineParts {
  readonly clock: Clock;
  readonly deadlines: DeadlineQueue;
  /** When the request arrived, on the clock's monotonic side. */
  readonly startedMs: number;
}

/**
 * One request's time: it ends with `deadline_exceeded` when it is up, with `cancelled` when the client goes away. Signals
 * and timers cost more than most of a short request, so none is made before there is something to wait for.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #queue: DeadlineQueue;
  readonly #startedMs: number;
  readonly #client: { readonly signal: AbortSignal };
  readonly #waiting = new Set<(reason: KennelError) => void>();
  #timeoutMs: number;
  /** Null: nobody has waited yet. */
  #timer: Timer | null = null;
  #isReleased = false;
  #controller: AbortController | null = null;
  #ended: KennelError | null = null;
  #stopListening: (() => void) | null = null;

  /** @param client whose signal aborts when the client has gone; looked at with the first use of `signal` */
  constructor(parts: DeadlineParts, client: { readonly signal: AbortSignal }, timeoutMs: number) {
    this.#clock = parts.clock;
    this.#queue = parts.deadlines;
    this.#startedMs = parts.startedMs;
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  /** Aborts with the error that ended the request. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      this.#begin();
      if (this.#ended === null) this.#listen();
      else this.#controller.abort(this.#ended);
    }
    return this.#controller.signal;
  }

  /** Why the request has ended before its answer; null: it has not. */
  get ended(): KennelError | null {
    if (this.#timer === null && !this.#isReleased && this.remainingMs() === 0) this.#end("deadline_exceeded");
    return this.#ended;
  }

  elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs;
  }

  remainingMs(): number {
    return Math.max(0, this.#timeoutMs - this.elapsedMs());
  }

  /** Another time, counted from the request's start as the first one was. */
  move(timeoutMs: number): void {
    if (this.#ended !== null) return;
    this.#timeoutMs = timeoutMs;
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = this.#set();
  }

  /** Settles as `work` does, or rejects with what ended the request as soon as it has. */
  race<Result>(work: Promise<Result>): Promise<Result> {
    this.#begin();
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) reject(this.#ended);
      else this.#waiting.add(reject);
      work.then(
        (result) => {
          this.#waiting.delete(reject);
          resolve(result);
        },
        (thrown) => {
          this.#waiting.delete(reject);
          reject(thrown);
        },
      );
    });
  }

  release(): void {
    this.#isReleased = true;
    this.#timer?.cancel();
    this.#stopListening?.();
    this.#stopListening = null;
  }

  #begin(): void {
    if (this.#timer === null && !this.#isReleased) this.#timer = this.#set();
  }

  #set(): Timer {
    return this.#queue.set(this.#startedMs, this.#timeoutMs, () => this.#end("deadline_exceeded"));
  }

  #listen(): void {
    const { signal } = this.#client;
    const onGone = () => this.#end("cancelled");
    if (signal.aborted) {
      onGone();
      return;
    }
    signal.addEventListener("abort", onGone, { once: true });
    this.#stopListening = () => signal.removeEventListener("abort", onGone);
  }

  #end(code: "cancelled" | "deadline_exceeded"): void {
    if (this.#ended !== null) return;
    this.#ended = kennelError(code);
    this.#timer?.cancel();
    for (const reject of this.#waiting) reject(this.#ended);
    this.#controller?.abort(this.#ended);
  }
}
