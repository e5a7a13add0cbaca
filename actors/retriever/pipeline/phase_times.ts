import type { Clock } from "../../../runtime/clock.ts";

export const PHASES = ["queue", "embed", "vector", "bm25", "fuse", "parents", "fetch", "encode", "total"] as const;
export type Phase = (typeof PHASES)[number];

/** Durations remembered of each phase. */
const SAMPLES = 64;
/** Durations below which nothing is said about a phase. */
const MIN_SAMPLES = 8;
/** New durations after which the percentile is worked out again. */
const RECOUNT = 8;

export interface PhaseTimes {
  note(phase: Phase, durationMs: number): void;
  /** The 95th percentile of the phase's last durations in milliseconds; null: too few are known. */
  p95(phase: Phase): number | null;
}

interface Ring {
  readonly durations: Float64Array;
  readonly notedAt: Float64Array;
  noted: number;
  p95: number | null;
  recountAt: number;
}

/**
 * What a collection's phases take, learned from its last 64 queries each. Durations older than `memoryMs` are forgotten, so
 * that a bad hour does not decide about the next one.
 */
export function phaseTimes(clock: Clock, memoryMs: number): PhaseTimes {
  const rings = new Map<Phase, Ring>();

  const recount = (ring: Ring): number | null => {
    const oldest = clock.monotonicMs() - memoryMs;
    const recent: number[] = [];
    for (let i = 0; i < Math.min(ring.noted, SAMPLES); i++) {
      if ((ring.notedAt[i] ?? 0) >= oldest) recent.push(ring.durations[i] ?? 0);
    }
    recent.sort((a, b) => a - b);
    return recent.length < MIN_SAMPLES ? null : (recent[Math.min(recent.length - 1, Math.floor(recent.length * 0.95))] ?? null);
  };

  return {
    note(phase, durationMs) {
      let ring = rings.get(phase);
      if (ring === undefined) {
        ring = { durations: new Float64Array(SAMPLES), notedAt: new Float64Array(SAMPLES), noted: 0, p95: null, recountAt: MIN_SAMPLES };
        rings.set(phase, ring);
      }
      ring.durations[ring.noted % SAMPLES] = durationMs;
      ring.notedAt[ring.noted % SAMPLES] = clock.monotonicMs();
      ring.noted++;
    },
    p95(phase) {
      const ring = rings.get(phase);
      // A phase that was skipped for being slow notes nothing new: it must be forgotten, or it would be skipped for ever.
      if (ring === undefined || clock.monotonicMs() - (ring.notedAt[(ring.noted - 1) % SAMPLES] ?? 0) > memoryMs) return null;
      if (ring.noted >= ring.recountAt) {
        ring.p95 = recount(ring);
        ring.recountAt = ring.noted + RECOUNT;
      }
      return ring.p95;
    },
  };
}
