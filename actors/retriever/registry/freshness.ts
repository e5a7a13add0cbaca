import type { Clock } from "../../../runtime/clock.ts";
import type { Modes } from "../../coordinator/modes.ts";

/**
 * How long it is not known that what this node holds of its collections is level with the vector store. While the store's
 * breaker is closed every change has been acknowledged by the store and passed on to the indexes in memory before anyone
 * is told of it, so they are level. While it is not, what has become of the store is not known.
 */
export class Freshness {
  readonly #clock: Clock;
  readonly #modes: Pick<Modes, "serviceOf">;
  #levelAtMs: number;

  constructor(clock: Clock, modes: Pick<Modes, "serviceOf">) {
    this.#clock = clock;
    this.#modes = modes;
    this.#levelAtMs = clock.monotonicMs();
  }

  /** Milliseconds since the store was last seen to answer, 0 while it does. */
  get ageMs(): number {
    return Math.round(this.look() - this.#levelAtMs);
  }

  /** To be done now and then though nobody asks: an outage is counted from the last look before it. @returns the time of this one */
  look(): number {
    const nowMs = this.#clock.monotonicMs();
    if (this.#modes.serviceOf("vector_store").breaker === "closed") this.#levelAtMs = nowMs;
    return nowMs;
  }
}
