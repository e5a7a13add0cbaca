/** A job that waits for its next round. */
export interface OpenJob {
  readonly id: string;
  readonly collection: string;
  /** Rounds that failed in a row. */
  failures: number;
  /** Of these, those that no outage explains. */
  faults: number;
  /** Not before this moment of the monotonic clock. */
  notBeforeMs: number;
  /** A caller wants it cancelled; its round ends after the batch it is in. */
  isCancelled: boolean;
}

/** Something that must not run beside anything else on its collection: a removal, a cancellation. */
export interface Exclusive<Work> {
  readonly collection: string;
  readonly work: Work;
}

export type NextStep<Work> =
  | { readonly kind: "round"; readonly job: OpenJob }
  | { readonly kind: "exclusive"; readonly exclusive: Exclusive<Work> }
  /** Nothing can start; a job may in `waitMs`, or null: only what ends or arrives can change that. */
  | { readonly kind: "wait"; readonly waitMs: number | null };

/**
 * Who goes next. One step at a time runs on a collection and at most `maxParallel` in all; removals go before rounds,
 * and jobs take turns, round by round, so that a long one holds up no other.
 */
export class Schedule<Work> {
  readonly #maxParallel: number;
  /** In the order of their turns. */
  readonly #jobs = new Map<string, OpenJob>();
  readonly #exclusives: Exclusive<Work>[] = [];
  readonly #busy = new Set<string>();
  /** Jobs whose round runs, by collection. */
  readonly #running = new Map<string, string>();

  constructor(maxParallel: number) {
    this.#maxParallel = maxParallel;
  }

  get openJobs(): number {
    return this.#jobs.size;
  }

  get waitingRemovals(): number {
    return this.#exclusives.length;
  }

  get running(): number {
    return this.#busy.size;
  }

  job(id: string): OpenJob | null {
    return this.#jobs.get(id) ?? null;
  }

  addJob(id: string, collection: string): void {
    if (this.#jobs.has(id)) return;
    this.#jobs.set(id, { id, collection, failures: 0, faults: 0, notBeforeMs: 0, isCancelled: false });
  }

  removeJob(id: string): void {
    this.#jobs.delete(id);
  }

  /** Removes all jobs. @returns which they were, and whether the round of each runs */
  removeJobs(): readonly { readonly id: string; readonly isRunning: boolean }[] {
    const removed = [...this.#jobs.values()].map(({ id, collection }) => ({ id, isRunning: this.#running.get(collection) === id }));
    this.#jobs.clear();
    return removed;
  }

  addExclusive(exclusive: Exclusive<Work>): void {
    this.#exclusives.push(exclusive);
  }

  /** Takes the next step and keeps its collection busy until `end`. */
  next(nowMs: number): NextStep<Work> {
    if (this.#busy.size >= this.#maxParallel) return { kind: "wait", waitMs: null };
    const place = this.#exclusives.findIndex((exclusive) => !this.#busy.has(exclusive.collection));
    const [exclusive] = place < 0 ? [] : this.#exclusives.splice(place, 1);
    if (exclusive !== undefined) {
      this.#busy.add(exclusive.collection);
      return { kind: "exclusive", exclusive };
    }
    let waitMs: number | null = null;
    for (const job of this.#jobs.values()) {
      if (job.isCancelled || this.#busy.has(job.collection)) continue;
      if (job.notBeforeMs <= nowMs) {
        this.#jobs.delete(job.id); // its next turn comes after everyone's
        this.#jobs.set(job.id, job);
        this.#busy.add(job.collection);
        this.#running.set(job.collection, job.id);
        return { kind: "round", job };
      }
      waitMs = Math.min(waitMs ?? Number.POSITIVE_INFINITY, job.notBeforeMs - nowMs);
    }
    return { kind: "wait", waitMs };
  }

  end(collection: string): void {
    this.#busy.delete(collection);
    this.#running.delete(collection);
  }
}
