import { cancellationOf } from "../../../runtime/cancellation.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";

// Invariants:
//   F1. Questions share a flight only when their keys are equal and the index version they ask of is.
//   F2. A flight goes on while anyone waits for it; when the last one has left, its signal aborts.
//   F3. Everyone waits within their own deadline, whatever the deadline of the one who came first.

/** Someone who has this much more time than a flight starts another rather than be served in someone else's hurry. */
const HURRY = 2;

interface Flight<Result> {
  readonly endsAtMs: number;
  readonly result: Promise<Result>;
  readonly stop: AbortController;
  waiting: number;
}

export interface Flown<Result> {
  readonly result: Result;
  /** It was started for someone else. */
  readonly isShared: boolean;
}

/** Computations under way that more than one asker may wait for. */
export class Flights<Result> {
  readonly #clock: Clock;
  readonly #maxWaiting: number;
  readonly #flights = new Map<string, Flight<Result>>();

  /** @param maxWaiting askers that may wait for one flight; beyond it: `overloaded` */
  constructor(clock: Clock, maxWaiting: number) {
    this.#clock = clock;
    this.#maxWaiting = maxWaiting;
  }

  get size(): number {
    return this.#flights.size;
  }

  /**
   * Waits for the flight under `key`, or starts one.
   * @param key all that the result depends on (F1)
   * @param timeoutMs what the asker has left; the asker's own deadline comes through `signal`
   * @param start makes the result; its signal aborts when nobody waits any longer (F2)
   */
  async join(key: string, timeoutMs: number, signal: AbortSignal, start: (signal: AbortSignal) => Promise<Result>): Promise<Flown<Result>> {
    const endsAtMs = this.#clock.monotonicMs() + timeoutMs;
    for (;;) {
      const remainingMs = endsAtMs - this.#clock.monotonicMs();
      const known = this.#flights.get(key);
      const isShared = known !== undefined && remainingMs <= (known.endsAtMs - this.#clock.monotonicMs()) * HURRY;
      const flight = isShared ? known : this.#take(key, endsAtMs, start);
      try {
        return { result: await this.#wait(key, flight, signal), isShared };
      } catch (thrown) {
        // The one who started it had less time (F3). Each round either is the asker's own flight or has let time pass.
        const isOthersDeadline = isShared && toKennelError(thrown).code === "deadline_exceeded";
        if (!isOthersDeadline || signal.aborted || endsAtMs <= this.#clock.monotonicMs()) throw thrown;
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      }
    }
  }

  #take(key: string, endsAtMs: number, start: (signal: AbortSignal) => Promise<Result>): Flight<Result> {
    const stop = new AbortController();
    const flight: Flight<Result> = { endsAtMs, result: start(stop.signal), stop, waiting: 0 };
    this.#flights.set(key, flight);
    const land = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.result.then(land, land);
    return flight;
  }

  #wait(key: string, flight: Flight<Result>, signal: AbortSignal): Promise<Result> {
    if (flight.waiting >= this.#maxWaiting) return Promise.reject(kennelError("overloaded"));
    flight.waiting++;
    return new Promise<Result>((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        if (--flight.waiting > 0) return;
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        // Whether the last one had to go or was kept waiting too long makes a difference to the judgement of the one asked.
        flight.stop.abort(signal.aborted ? cancellationOf(signal) : kennelError("cancelled"));
      };
      const onAbort = () => {
        reject(cancellationOf(signal));
        leave();
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      flight.result.then(resolve, reject).finally(leave);
    });
  }
}
