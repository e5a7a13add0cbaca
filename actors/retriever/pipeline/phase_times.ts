import type { Clock } from "../../../runtime/clock.ts";
import { LatencySketch } from "../../../runtime/latency_sketch.ts";

/** A pipeline's phases by name; a strategy may bring others. */
export type Phase = string;

/** Phases of one collection that are learned; further ones are not. */
const MAX_PHASES = 32;
/** Durations, by what is left of them, below which nothing is said about a phase. */
const MIN_COUNT = 4;
/** Half-lives in the memory. */
const HALF_LIVES = 4;
/** A run that was given up would have taken longer; how much longer is not known. */
const ABANDONED_FACTOR = 2;

export interface PhaseTimes {
  note(phase: Phase, durationMs: number): void;
  /** It was given up after so long. */
  noteAbandoned(phase: Phase, limitMs: number): void;
  /** This share (0..1) of the phase's runs took at most so many milliseconds; null: too few are known. */
  quantile(phase: Phase, share: number): number | null;
  /** `quantile` of 0.95. */
  p95(phase: Phase): number | null;
  /** The share of the phase's runs that ended within so many milliseconds; null: too few are known. */
  chance(phase: Phase, limitMs: number): number | null;
  /** True for one asker when the phase has not run for `pauseMs`: whoever is told so runs it, to learn whether it still is as it was. */
  mayTry(phase: Phase, pauseMs: number): boolean;
  /** What is known, for people to read. */
  known(): Readonly<Record<Phase, { readonly p50_ms: number; readonly p95_ms: number }>>;
}

/**
 * What a collection's phases take, learned with decay: a duration counts half after a quarter of `memoryMs`, and a phase
 * that has not run for `memoryMs` is not known any more, so that a bad hour does not decide about the next one.
 */
export function phaseTimes(clock: Clock, memoryMs: number): PhaseTimes {
  return new LearnedTimes(clock, memoryMs);
}

class LearnedTimes implements PhaseTimes {
  readonly #clock: Clock;
  readonly #memoryMs: number;
  readonly #sketches = new Map<Phase, LatencySketch>();
  readonly #triedAt = new Map<Phase, number>();

  constructor(clock: Clock, memoryMs: number) {
    this.#clock = clock;
    this.#memoryMs = memoryMs;
  }

  note(phase: Phase, durationMs: number): void {
    let sketch = this.#sketches.get(phase);
    if (sketch === undefined) {
      if (this.#sketches.size >= MAX_PHASES) return;
      sketch = new LatencySketch(this.#memoryMs / HALF_LIVES);
      this.#sketches.set(phase, sketch);
    }
    sketch.note(durationMs, this.#clock.monotonicMs());
  }

  noteAbandoned(phase: Phase, limitMs: number): void {
    this.note(phase, limitMs * ABANDONED_FACTOR);
  }

  quantile(phase: Phase, share: number): number | null {
    return this.#known(phase)?.quantile(share) ?? null;
  }

  p95(phase: Phase): number | null {
    return this.quantile(phase, 0.95);
  }

  chance(phase: Phase, limitMs: number): number | null {
    return this.#known(phase)?.shareWithin(limitMs) ?? null;
  }

  mayTry(phase: Phase, pauseMs: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    const lastMs = Math.max(this.#sketches.get(phase)?.notedAtMs ?? nowMs, this.#triedAt.get(phase) ?? 0);
    if (nowMs - lastMs < pauseMs || !this.#sketches.has(phase)) return false;
    this.#triedAt.set(phase, nowMs);
    return true;
  }

  known(): Readonly<Record<Phase, { readonly p50_ms: number; readonly p95_ms: number }>> {
    const known: Record<Phase, { readonly p50_ms: number; readonly p95_ms: number }> = {};
    for (const phase of this.#sketches.keys()) {
      const [p50, p95] = [this.quantile(phase, 0.5), this.p95(phase)];
      if (p50 !== null && p95 !== null) known[phase] = { p50_ms: rounded(p50), p95_ms: rounded(p95) };
    }
    return known;
  }

  #known(phase: Phase): LatencySketch | null {
    const sketch = this.#sketches.get(phase);
    if (sketch === undefined) return null;
    const nowMs = this.#clock.monotonicMs();
    return nowMs - sketch.notedAtMs > this.#memoryMs || sketch.countAt(nowMs) < MIN_COUNT ? null : sketch;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
