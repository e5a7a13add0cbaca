import { cancellationOf } from "./cancellation.ts";
import { kennelError } from "./errors.ts";

/**
 * A bounded number of places for work that runs side by side, with a bounded queue in front, first come, first served. The
 * number may be changed: more let the next ones in at once, fewer take nothing from those who are in.
 */
export class Slots {
  readonly #queue: { readonly enter: () => void; readonly isGone: () => boolean }[] = [];
  readonly #maxWaiting: number;
  #places: number;
  #taken = 0;

  constructor(places: number, maxWaiting: number) {
    this.#places = places;
    this.#maxWaiting = maxWaiting;
  }

  get places(): number {
    return this.#places;
  }

  get taken(): number {
    return this.#taken;
  }

  resize(places: number): void {
    this.#places = places;
    this.#letIn();
  }

  get waiting(): number {
    return this.#queue.filter(({ isGone }) => !isGone()).length;
  }

  /** Resolves with the function that gives the place back. Rejects with `overloaded`, or when the signal aborts first. */
  take(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(cancellationOf(signal));
    if (this.#taken < this.#places) {
      this.#taken++;
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
      this.#taken--;
      this.#letIn();
    };
  }

  #letIn(): void {
    while (this.#taken < this.#places) {
      let next = this.#queue.shift();
      while (next?.isGone()) next = this.#queue.shift();
      if (next === undefined) return;
      this.#taken++;
      next.enter();
    }
  }
}
