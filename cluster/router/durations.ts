const SAMPLES = 256;
/** Fewer say nothing about the slowest twentieth. */
const MIN_SAMPLES = 40;
/** Samples between two looks at the quantile. */
const LOOK_EVERY = 16;
const MAX_COLLECTIONS = 4_096;

interface Kept {
  readonly samplesMs: Float64Array;
  taken: number;
  p95Ms: number | null;
}

/** How long answers of collections take: the 95th percentile of the last 256 of each. */
export class Durations {
  readonly #kept = new Map<string, Kept>();

  note(collection: string, durationMs: number): void {
    let kept = this.#kept.get(collection);
    if (kept === undefined) {
      if (this.#kept.size >= MAX_COLLECTIONS) this.#kept.delete(this.#kept.keys().next().value as string);
      kept = { samplesMs: new Float64Array(SAMPLES), taken: 0, p95Ms: null };
      this.#kept.set(collection, kept);
    }
    kept.samplesMs[kept.taken++ % SAMPLES] = durationMs;
    if (kept.taken < MIN_SAMPLES || kept.taken % LOOK_EVERY !== 0) return;
    const sorted = kept.samplesMs.slice(0, Math.min(kept.taken, SAMPLES)).sort();
    kept.p95Ms = sorted[Math.floor(sorted.length * 0.95)] ?? null;
  }

  /** Null: not known yet. */
  p95Ms(collection: string): number | null {
    return this.#kept.get(collection)?.p95Ms ?? null;
  }
}
