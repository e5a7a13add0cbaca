const MAX_COLLECTIONS = 10_000;
/** Weight of the newest reading: a burst of one reading is not yet a load. */
const NEWEST = 0.3;
const LEAST = 0.01;

interface Kept {
  inFlight: number;
  /** Searches times milliseconds since the last reading. */
  workMs: number;
  changedMs: number;
  smoothed: number;
}

/** How many searches of each collection a node works on at a time, on the average of the last seconds. */
export class Busyness {
  readonly #kept = new Map<string, Kept>();
  #readMs: number;

  constructor(nowMs: number) {
    this.#readMs = nowMs;
  }

  /** A search begins. @returns to be called when it ends */
  begin(collection: string, nowMs: number): (endedMs: number) => void {
    let kept = this.#kept.get(collection);
    if (kept === undefined) {
      if (this.#kept.size >= MAX_COLLECTIONS) return () => undefined;
      kept = { inFlight: 0, workMs: 0, changedMs: nowMs, smoothed: 0 };
      this.#kept.set(collection, kept);
    }
    change(kept, 1, nowMs);
    return (endedMs) => change(kept, -1, endedMs);
  }

  /** The busiest `count` that keep at least `least` places busy, busiest first. To be read at about the same interval each time. */
  read(count: number, least: number, nowMs: number): ReadonlyMap<string, number> {
    const passedMs = nowMs - this.#readMs;
    if (passedMs > 0) {
      this.#readMs = nowMs;
      for (const [collection, kept] of this.#kept) {
        change(kept, 0, nowMs);
        kept.smoothed += NEWEST * (kept.workMs / passedMs - kept.smoothed);
        kept.workMs = 0;
        if (kept.inFlight === 0 && kept.smoothed < LEAST) this.#kept.delete(collection);
      }
    }
    const busiest = [...this.#kept].filter(([, { smoothed }]) => smoothed >= least).sort(([, a], [, b]) => b.smoothed - a.smoothed);
    return new Map(busiest.slice(0, count).map(([collection, { smoothed }]) => [collection, Math.round(smoothed * 100) / 100]));
  }
}

function change(kept: Kept, by: -1 | 0 | 1, nowMs: number): void {
  kept.workMs += kept.inFlight * (nowMs - kept.changedMs);
  kept.changedMs = nowMs;
  kept.inFlight += by;
}
