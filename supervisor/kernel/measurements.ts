/** How a message ended. `slow` counts beside the others. */
export interface Counts {
  /** Asks answered. */
  readonly ok: number;
  /** Asks that the behaviour failed, or that its end left without an answer. */
  readonly failed: number;
  /** Tells and asks that were not let in: a full lane, or an actor that takes nothing. */
  readonly rejected: number;
  /** Asks whose deadline passed first. */
  readonly expired: number;
  /** Asks whose asker went away. */
  readonly cancelled: number;
  /** Answered or not, asks that took longer than the actor's `slowCallMs`. */
  readonly slow: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Latencies that are kept: enough for a p99, small enough (2 KB) for thousands of actors. */
const KEPT_LATENCIES = 512;
/** Asks over which the moving mean runs. */
const MEAN_OVER = 16;

/** The latest `KEPT_LATENCIES` durations in a ring; what is written per ask costs a store, what is read sorts. */
export class Latencies {
  #ring: Float32Array | null = null;
  #recorded = 0;
  #meanMs = 0;

  /** Of the latest few asks that were answered; costs nothing to read. */
  get meanMs(): number {
    return this.#meanMs;
  }

  record(durationMs: number, isAnswered: boolean): void {
    // Most actors of a large node have not been asked yet.
    this.#ring ??= new Float32Array(KEPT_LATENCIES);
    this.#ring[this.#recorded % KEPT_LATENCIES] = durationMs;
    this.#recorded++;
    if (isAnswered) this.#meanMs += (durationMs - this.#meanMs) / MEAN_OVER;
  }

  /** Nearest rank; all 0 before the first ask. */
  percentiles(): Percentiles {
    const kept = Math.min(this.#recorded, KEPT_LATENCIES);
    if (this.#ring === null || kept === 0) return { p50: 0, p95: 0, p99: 0 };
    const sorted = this.#ring.slice(0, kept).sort();
    const rank = (share: number): number => sorted[Math.min(kept - 1, Math.ceil(share * kept) - 1)] ?? 0;
    return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) };
  }
}

/** The counts of one actor while they are being made; readers see `Counts`. */
export interface MutableCounts {
  ok: number;
  failed: number;
  rejected: number;
  expired: number;
  cancelled: number;
  slow: number;
}

export function zeroCounts(): MutableCounts {
  return { ok: 0, failed: 0, rejected: 0, expired: 0, cancelled: 0, slow: 0 };
}
