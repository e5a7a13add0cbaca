import { cancellationOf } from "../../../runtime/cancellation.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { MaybePromise } from "./index.ts";

// Invariants:
//   T1. Work of `run` is synchronous and one at a time; who waits goes first come, first served.
//   T2. Once the work of a turn of the event loop has taken `maxTurnMs`, the next waits for another turn: sockets, timers
//       and other actors come in between, however many queries arrived at once.

export interface TurnOptions {
  /** Work of one turn; the last piece may overrun it. */
  readonly maxTurnMs: number;
  /** Pieces of work that may wait; beyond it `overloaded`. */
  readonly maxWaiting: number;
  readonly clock: Clock;
}

interface Waiting {
  readonly go: () => void;
}

/** Shares the event loop between the searches of a node and everything else that runs on it. */
export class Turns {
  readonly #options: TurnOptions;
  readonly #queue = new Set<Waiting>();
  #usedMs = 0;
  #isNextTurnAsked = false;

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Runs `work` now, or in a later turn. Rejects with `overloaded`, when the signal aborts first, or as `work` throws. */
  run<Value>(work: () => Value, signal: AbortSignal): MaybePromise<Value> {
    if (this.#queue.size === 0 && this.#usedMs < this.#options.maxTurnMs) return this.#work(work);
    if (signal.aborted) return Promise.reject(cancellationOf(signal));
    if (this.#queue.size >= this.#options.maxWaiting)
      return Promise.reject(kennelError("overloaded", { message: "Too many searches wait for the event loop" }));
    return new Promise<Value>((resolve, reject) => {
      const onAbort = () => {
        this.#queue.delete(waiting);
        reject(cancellationOf(signal));
      };
      const waiting: Waiting = {
        go: () => {
          signal.removeEventListener("abort", onAbort);
          try {
            resolve(this.#work(work));
          } catch (thrown) {
            reject(thrown);
          }
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#queue.add(waiting);
      this.#askForNextTurn();
    });
  }

  #work<Value>(work: () => Value): Value {
    const startedMs = this.#options.clock.monotonicMs();
    try {
      return work();
    } finally {
      this.#usedMs += this.#options.clock.monotonicMs() - startedMs;
      this.#askForNextTurn();
    }
  }

  #askForNextTurn(): void {
    if (this.#isNextTurnAsked) return;
    this.#isNextTurnAsked = true;
    setImmediate(() => {
      this.#isNextTurnAsked = false;
      this.#usedMs = 0;
      for (const waiting of this.#queue) {
        if (this.#usedMs >= this.#options.maxTurnMs) break;
        this.#queue.delete(waiting);
        waiting.go();
      }
      if (this.#queue.size > 0) this.#askForNextTurn();
    });
  }
}
