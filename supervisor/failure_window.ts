import type { Clock } from "../runtime/clock.ts";
import type { ChildLimits } from "./child.ts";

export type WindowLimits = Pick<ChildLimits, "windowMs" | "minCalls" | "maxFailureRatio" | "maxSlowRatio">;

interface Bucket {
  /** Which stretch of time it counts; buckets are reused as time goes round. */
  stretch: number;
  calls: number;
  failed: number;
  slow: number;
}

/** Stretches of a window: an outcome leaves the count between `windowMs` and a tenth less after it came. */
const STRETCHES = 10;

/** The calls of the last `windowMs`, and whether too many of them failed or were slow. */
export class FailureWindow {
  readonly #limits: WindowLimits;
  readonly #clock: Clock;
  #buckets: Bucket[] = [];
  /** Calls that failed one after the other, without one that did not in between, and when the first of them ended. */
  #failedInRow = 0;
  #rowSinceMs = 0;

  constructor(limits: WindowLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Returns why the child should be suspended, null when there is no reason. */
  record(outcome: { readonly isFailed: boolean; readonly isSlow: boolean }): string | null {
    const stretch = this.#stretch();
    const bucket = this.#bucketOf(stretch);
    bucket.calls++;
    if (outcome.isFailed) bucket.failed++;
    if (outcome.isSlow) bucket.slow++;
    if (!outcome.isFailed) this.#failedInRow = 0;
    else if (this.#failedInRow++ === 0) this.#rowSinceMs = this.#clock.monotonicMs();
    return outcome.isFailed || outcome.isSlow ? this.#verdict(stretch) : null;
  }

  clear(): void {
    this.#failedInRow = 0;
    this.#buckets = [];
  }

  #verdict(stretch: number): string | null {
    const { minCalls, windowMs } = this.#limits;
    // A busy child that stops answering altogether is known long before its good calls have left the window.
    const isRow = this.#failedInRow >= minCalls && this.#clock.monotonicMs() - this.#rowSinceMs <= windowMs;
    if (isRow) return `${this.#failedInRow} calls failed in a row`;
    const total = { calls: 0, failed: 0, slow: 0 };
    for (const bucket of this.#buckets) {
      if (bucket.stretch <= stretch - STRETCHES) continue;
      total.calls += bucket.calls;
      total.failed += bucket.failed;
      total.slow += bucket.slow;
    }
    if (total.calls < minCalls) return null;
    if (total.failed >= total.calls * this.#limits.maxFailureRatio && total.failed > 0)
      return `${total.failed} of ${total.calls} calls failed`;
    if (total.slow >= total.calls * this.#limits.maxSlowRatio && total.slow > 0) return `${total.slow} of ${total.calls} calls were slow`;
    return null;
  }

  #bucketOf(stretch: number): Bucket {
    const index = stretch % STRETCHES;
    const present = this.#buckets.find((bucket) => bucket.stretch % STRETCHES === index);
    if (present?.stretch === stretch) return present;
    const fresh = { stretch, calls: 0, failed: 0, slow: 0 };
    if (present === undefined) this.#buckets.push(fresh);
    else Object.assign(present, fresh);
    return present ?? fresh;
  }

  #stretch(): number {
    return Math.floor((this.#clock.monotonicMs() / this.#limits.windowMs) * STRETCHES);
  }
}
