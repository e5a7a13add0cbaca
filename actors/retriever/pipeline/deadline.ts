import { cancellationOf } from "../../../runtime/cancellation.ts";
import type { Clock, Timer } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { MaybePromise } from "../index/index.ts";

/** A query's deadline, on the clock's monotonic side, from which phases take their shares. */
export class Deadline {
  readonly #clock: Clock;
  readonly #atMs: number;

  constructor(clock: Clock, atMs: number) {
    this.#clock = clock;
    this.#atMs = atMs;
  }

  get remainingMs(): number {
    return Math.max(0, this.#atMs - this.#clock.monotonicMs());
  }

  /** What a phase may take of what is left, so that the phases behind it have a chance. */
  share(ratio: number): number {
    return this.remainingMs * ratio;
  }
}

/** The time that a piece of work has: its signal aborts at the limit with `deadline_exceeded`, or with its parent. */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #onParentAbort: () => void;
  #endsAtMs: number;
  #timer: Timer;

  constructor(clock: Clock, limitMs: number, parent: AbortSignal) {
    this.#clock = clock;
    this.#parent = parent;
    this.#endsAtMs = clock.monotonicMs() + limitMs;
    this.#timer = clock.setTimer(limitMs, () => this.#expire());
    this.#onParentAbort = () => this.#controller.abort(cancellationOf(parent));
    if (parent.aborted) this.#onParentAbort();
    else parent.addEventListener("abort", this.#onParentAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends `limitMs` from now, unless it ends sooner anyway. */
  shorten(limitMs: number): void {
    const endsAtMs = this.#clock.monotonicMs() + limitMs;
    if (endsAtMs >= this.#endsAtMs) return;
    this.#endsAtMs = endsAtMs;
    this.#timer.cancel();
    this.#timer = this.#clock.setTimer(limitMs, () => this.#expire());
  }

  release(): void {
    this.#timer.cancel();
    this.#parent.removeEventListener("abort", this.#onParentAbort);
  }

  /**
   * Runs `work` under this limit and releases it afterwards. The result settles when the signal aborts, though the work may
   * not listen. What is there at once is returned at once, without a promise.
   */
  run<Value>(work: (signal: AbortSignal) => MaybePromise<Value>): MaybePromise<Value> {
    const { signal } = this;
    let isPending = false;
    try {
      if (signal.aborted) throw cancellationOf(signal);
      const result = work(signal);
      isPending = result instanceof Promise;
      return result instanceof Promise ? this.#untilAborted(result) : result;
    } finally {
      if (!isPending) this.release();
    }
  }

  #untilAborted<Value>(result: Promise<Value>): Promise<Value> {
    const { signal } = this;
    return new Promise<Value>((resolve, reject) => {
      const onAbort = () => {
        this.release();
        reject(cancellationOf(signal));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      result.then(resolve, reject).finally(() => this.release());
    });
  }

  #expire(): void {
    this.#controller.abort(kennelError("deadline_exceeded"));
  }
}

/** Runs `work` for at most `limitMs`, or until `parent` aborts. */
export function within<Value>(
  clock: Clock,
  limitMs: number,
  parent: AbortSignal,
  work: (signal: AbortSignal) => MaybePromise<Value>,
): MaybePromise<Value> {
  return new TimeLimit(clock, limitMs, parent).run(work);
}
