import type { Random } from "../runtime/random.ts";

export interface BackoffLimits {
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/**
 * Exponential with equal jitter: half of min(maxBackoffMs, backoffMs * 2^row) is certain, the other half drawn, so that
 * children that failed together do not come back together.
 * @param row suspensions in a row before this one, from 0
 */
export function backoff(limits: BackoffLimits, row: number, random: Random): number {
  // Beyond 2^30 the cap has long been reached, and a power could overflow into Infinity * 0.
  const fullMs = Math.min(limits.maxBackoffMs, limits.backoffMs * 2 ** Math.min(row, 30));
  return fullMs / 2 + (fullMs / 2) * random.next();
}
