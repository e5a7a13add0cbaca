import { cancellationOf } from "../../runtime/cancellation.ts";
import { kennelError } from "../../runtime/errors.ts";

/** A bounded number of places for work that runs side by side, with a bounded queue in front, first come, first served. */
export class Slots {
  readonly #queue: { readonly enter: () => void; readonly isGone: () => boolean }[] = [];
  readonly #maxWaiting: number;
  #free: number;

  constructor(places: number, maxWaiting: number) {
    this.#free = places;
    this.#maxWaiting = maxWaiting;
  }

  /** Resolves with the function that gives the place back. Rejects with `overloaded`, or when the signal aborts first. */
  take(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(cancellationOf(signal));
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(this.#release());
    }
    if (this.#queue.length >= this.#maxWaiting)
      return Promise.reject(kennelError("overloaded", { message: "Too much waits for the same places" }));
    return new Promise((resolve, reject) => {
      let isGone = false;
      const onAbort = () => {
        isGone = true;
        reject(cancellationOf(signal));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#queue.push({
        isGone: () => isGone,
        enter: () => {
          signal.removeEventListener("abort", onAbort);
          resolve(this.#release());
        },
      });
    });
  }

  #release(): () => void {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      let next = this.#queue.shift();
      while (next?.isGone()) next = this.#queue.shift();
      if (next === undefined) this.#free++;
      else next.enter();
    };
  }
}
