import type { Clock, Timer } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";

/** One request's time: its signal aborts with `deadline_exceeded` when it is up, with `cancelled` when the client goes away. */
export class Deadline {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #startedMs: number;
  readonly #client: AbortSignal;
  readonly #onClientGone = () => this.#end("cancelled");
  #timeoutMs: number;
  #timer: Timer;

  constructor(clock: Clock, client: AbortSignal, timeoutMs: number) {
    this.#clock = clock;
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.#startedMs = clock.monotonicMs();
    this.#timer = clock.setTimer(timeoutMs, () => this.#end("deadline_exceeded"));
    if (client.aborted) this.#end("cancelled");
    else client.addEventListener("abort", this.#onClientGone, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs;
  }

  remainingMs(): number {
    return Math.max(0, this.#timeoutMs - this.elapsedMs());
  }

  /** Another time, counted from the request's start as the first one was. */
  move(timeoutMs: number): void {
    if (this.signal.aborted) return;
    this.#timeoutMs = timeoutMs;
    this.#timer.cancel();
    this.#timer = this.#clock.setTimer(this.remainingMs(), () => this.#end("deadline_exceeded"));
  }

  /** Settles as `work` does, or rejects with the signal's reason as soon as it aborts. */
  race<Result>(work: Promise<Result>): Promise<Result> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      work.then(resolve, reject);
    });
  }

  release(): void {
    this.#timer.cancel();
    this.#client.removeEventListener("abort", this.#onClientGone);
  }

  #end(code: "cancelled" | "deadline_exceeded"): void {
    this.#timer.cancel();
    this.#controller.abort(kennelError(code));
  }
}
