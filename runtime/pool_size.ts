import type { Clock } from "./clock.ts";

export interface PoolSizeOptions {
  readonly min: number;
  readonly max: number;
  /** A call that has waited this long for a place makes one more. */
  readonly growAfterMs: number;
  /** Pause between two looks at how much is used. */
  readonly shrinkAfterMs: number;
  readonly clock: Clock;
}

/**
 * How many calls of one service may be under way at once, within bounds, by what was measured:
 *   - a call that waited too long for a place adds one;
 *   - a service that says it has too much to do halves them;
 *   - so does a time in which no more than half of them were used, though never below what was.
 * Additive increase and multiplicative decrease: many nodes that share a service by this rule come to equal shares of what
 * it bears (Chiu and Jain, Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks,
 * Computer Networks and ISDN Systems 17, 1989).
 */
export class PoolSize {
  readonly #options: PoolSizeOptions;
  #size: number;
  /** Most places used at once since the last look. */
  #peak = 0;
  #lookedAtMs: number;
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PoolSizeOptions) {
    const { min, max, clock } = options;
    if (!(min >= 1 && min <= max)) throw new RangeError(`A pool of at least ${min} and at most ${max} places cannot be`);
    this.#options = options;
    this.#size = min;
    this.#lookedAtMs = clock.monotonicMs();
  }

  /** Places now; asking is what lets them shrink. @param used places that are taken at this moment */
  current(used: number): number {
    const { min, shrinkAfterMs, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (; nowMs - this.#lookedAtMs >= shrinkAfterMs && this.#size > min; this.#lookedAtMs += shrinkAfterMs) {
      if (this.#peak <= this.#size / 2) this.#halve(this.#peak);
      this.#peak = used;
    }
    if (this.#size === min) this.#lookedAtMs = nowMs; // there is nothing to shrink, so the next look is a whole pause after it grows
    this.#peak = Math.max(this.#peak, used);
    return this.#size;
  }

  /** A call has waited for `growAfterMs`. */
  waited(): void {
    this.#size = Math.min(this.#options.max, this.#size + 1);
  }

  /** The service has refused a call because it is busy. Refusals that come together count once. */
  refused(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#refusedAtMs < this.#options.growAfterMs) return;
    this.#refusedAtMs = nowMs;
    this.#halve(0);
  }

  #halve(floor: number): void {
    this.#size = Math.max(this.#options.min, floor, Math.floor(this.#size / 2));
  }
}
