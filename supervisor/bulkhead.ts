import type { Clock } from "../runtime/clock.ts";
import { SharedSlots, type SharedSlotsOptions, type SharedSlotsStats } from "../runtime/shared_slots.ts";

export interface BulkheadOptions extends SharedSlotsOptions {
  readonly clock: Clock;
  /** Work that goes on after its caller has left keeps its place for this long at most. */
  readonly maxHoldMs: number;
}

/** As the status shows it. */
export interface BulkheadStatus extends SharedSlotsStats {
  readonly resource: string;
}

/** Tells of the work itself, which may go on when its caller has left; gives back what it was given. */
export type Hold = <Result>(work: Promise<Result>) => Promise<Result>;

/**
 * Stands before a resource that a node has once and its collections share: a collection that is hot, or whose calls hang,
 * holds its share of the places and no other's.
 */
export class Bulkhead {
  readonly #resource: string;
  readonly #options: BulkheadOptions;
  readonly #slots: SharedSlots<string>;

  constructor(resource: string, options: BulkheadOptions) {
    this.#resource = resource;
    this.#options = options;
    this.#slots = new SharedSlots(options);
  }

  get status(): BulkheadStatus {
    return { resource: this.#resource, ...this.#slots.stats };
  }

  /**
   * Makes a call in one of the collection's places, which is given back when the call is settled and what it told `hold` of
   * has ended. Settles as the call does, or rejects with `overloaded` or when the signal aborts first.
   */
  async run<Result>(collection: string, signal: AbortSignal, call: (hold: Hold) => Promise<Result>): Promise<Result> {
    const release = await this.#slots.take(collection, signal);
    let held: Promise<unknown> | null = null;
    const end = () => {
      held = null;
    };
    try {
      return await call((work) => {
        held = work;
        work.then(end, end);
        return work;
      });
    } finally {
      if (held === null) release();
      else this.#releaseAfter(held, release);
    }
  }

  #releaseAfter(held: Promise<unknown>, release: () => void): void {
    const { clock, maxHoldMs } = this.#options;
    const timer = clock.setTimer(maxHoldMs, release);
    const end = () => {
      timer.cancel();
      release();
    };
    held.then(end, end);
  }
}
