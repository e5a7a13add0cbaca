import type { Clock } from "../../../runtime/clock.ts";

/** A collection that another node waits for is left to it for this long. */
const YIELD_MS = 400;

/** Collections that are left to others for a moment. Bounded by those that were let go of within it. */
export class YieldedCollections {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Moments until which each is left to others, earliest first. */
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  add(collection: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) break;
      this.#untilMs.delete(name);
    }
    this.#untilMs.delete(collection);
    this.#untilMs.set(collection, nowMs + YIELD_MS);
  }

  has(collection: string): boolean {
    return (this.#untilMs.get(collection) ?? Number.NEGATIVE_INFINITY) > this.#clock.monotonicMs();
  }
}
