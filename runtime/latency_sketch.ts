/** Relative error of a quantile. */
const ERROR = 0.05;
const GROWTH = (1 + ERROR) / (1 - ERROR);
const PER_LOG = 1 / Math.log(GROWTH);
/** Durations below are counted as this, in ms. */
const LEAST_MS = 0.01;
/** From a hundredth of a millisecond to eleven minutes. */
const BUCKETS = 180;
/** Powers of two by which new weights may outgrow old ones before all are scaled down. */
const MAX_DOUBLINGS = 32;
/** Milliseconds for which one weight is good enough. */
const WEIGHT_STEP_MS = 64;

/**
 * Quantiles of durations in 0.7 KB, whatever their number. Buckets grow by a constant ratio, so that a quantile is off by
 * 5 % at most (DDSketch: Masson, Rim and Lee, VLDB 2019); weights grow with time instead of old ones being shrunk, so that
 * a duration counts half a half-life later (forward decay: Cormode, Shkapenyuk, Srivastava and Xu, ICDE 2009).
 * Noting allocates nothing; reading walks the buckets.
 */
export class LatencySketch {
  readonly #weights = new Float32Array(BUCKETS);
  readonly #halfLifeMs: number;
  #total = 0;
  /** When a weight was 1. */
  #landmarkMs = 0;
  #weight = 1;
  #weightAtMs = Number.NEGATIVE_INFINITY;
  #notedAtMs = Number.NEGATIVE_INFINITY;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  /** When the last one was noted, on the caller's monotonic clock; minus infinity before. */
  get notedAtMs(): number {
    return this.#notedAtMs;
  }

  note(durationMs: number, nowMs: number): void {
    if (nowMs - this.#weightAtMs > WEIGHT_STEP_MS) this.#weigh(nowMs);
    this.#notedAtMs = nowMs;
    const bucket = bucketOf(durationMs);
    this.#weights[bucket] = (this.#weights[bucket] as number) + this.#weight;
    this.#total += this.#weight;
  }

  /** Durations that it stands on, each counted by what is left of it. */
  countAt(nowMs: number): number {
    return this.#total * 2 ** ((this.#landmarkMs - nowMs) / this.#halfLifeMs);
  }

  /** @param share in 0..1. Null before the first duration. */
  quantile(share: number): number | null {
    if (this.#total === 0) return null;
    const wanted = this.#total * share;
    let [seen, last] = [0, 0];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const weight = this.#weights[bucket] as number;
      if (weight === 0) continue;
      seen += weight;
      last = bucket;
      if (seen >= wanted) break;
    }
    return middleOf(last);
  }

  /** The share of durations that are `limitMs` at most; null before the first one. */
  shareWithin(limitMs: number): number | null {
    if (this.#total === 0) return null;
    const end = bucketOf(limitMs);
    let seen = 0;
    for (let bucket = 0; bucket <= end; bucket++) seen += this.#weights[bucket] as number;
    return Math.min(1, seen / this.#total);
  }

  #weigh(nowMs: number): void {
    if (this.#total === 0) this.#landmarkMs = nowMs;
    let doublings = (nowMs - this.#landmarkMs) / this.#halfLifeMs;
    if (doublings > MAX_DOUBLINGS) {
      const scale = 2 ** -doublings;
      this.#total = 0;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        const weight = (this.#weights[bucket] as number) * scale;
        this.#weights[bucket] = weight;
        this.#total += weight;
      }
      this.#landmarkMs = nowMs;
      doublings = 0;
    }
    this.#weight = 2 ** doublings;
    this.#weightAtMs = nowMs;
  }
}

function bucketOf(durationMs: number): number {
  if (!(durationMs > LEAST_MS)) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(durationMs / LEAST_MS) * PER_LOG));
}

/** The middle of a bucket, by ratio. */
function middleOf(bucket: number): number {
  return (2 * LEAST_MS * GROWTH ** bucket) / (GROWTH + 1);
}
