import type { Clock } from "../runtime/clock.ts";

/** Less is a clock that is being set right, as clocks are all the time. */
const LEAST_JUMP_MS = 2_000;

/**
 * Sees a wall clock that was set: it and the monotonic one drift apart. Nothing in the cluster is measured with the wall
 * clock, so that this is for people who wonder about the times in logs; only the order of two nodes of one name, and the
 * epochs of leaders, begin with it.
 */
export class WallJumps {
  readonly #clock: Pick<Clock, "wallMs" | "monotonicMs">;
  #aheadMs: number;

  constructor(clock: Pick<Clock, "wallMs" | "monotonicMs">) {
    this.#clock = clock;
    this.#aheadMs = clock.wallMs() - clock.monotonicMs();
  }

  /** By how much the wall clock was set since the last look, ahead or back; null: it was not. */
  look(): number | null {
    const aheadMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    const byMs = aheadMs - this.#aheadMs;
    if (Math.abs(byMs) < LEAST_JUMP_MS) return null;
    this.#aheadMs = aheadMs;
    return byMs;
  }
}
