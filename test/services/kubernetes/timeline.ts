import type { Query } from "./service_load.ts";

export interface Second {
  readonly tookMs: number[];
  failed: number;
  refused: number;
  broken: number;
  /** Pods that the Service led to. */
  pods: number;
}

export interface Happening {
  readonly atS: number;
  readonly what: string;
}

export interface Totals {
  readonly queries: number;
  readonly failures: readonly string[];
  readonly refused: number;
  readonly broken: number;
}

const SECOND_MS = 1_000;

/** What clients saw, second by second, and what was done meanwhile. */
export class Timeline {
  readonly seconds: Second[] = [];
  readonly happenings: Happening[] = [];
  readonly #startedMs = performance.now();
  readonly #failures: string[] = [];
  #queries = 0;
  #refused = 0;
  #broken = 0;

  /** So far. */
  get totals(): Totals {
    return { queries: this.#queries, failures: [...this.#failures], refused: this.#refused, broken: this.#broken };
  }

  ended({ tookMs, failure, refused, broken }: Query): void {
    const second = this.#now;
    second.tookMs.push(tookMs);
    second.refused += refused;
    second.broken += broken;
    this.#queries += 1;
    this.#refused += refused;
    this.#broken += broken;
    if (failure === null) return;
    second.failed += 1;
    this.#failures.push(failure);
  }

  sees(pods: number): void {
    this.#now.pods = pods;
  }

  tell(what: string): void {
    this.happenings.push({ atS: Math.floor((performance.now() - this.#startedMs) / SECOND_MS), what });
  }

  get #now(): Second {
    const at = Math.floor((performance.now() - this.#startedMs) / SECOND_MS);
    while (this.seconds.length <= at)
      this.seconds.push({ tookMs: [], failed: 0, refused: 0, broken: 0, pods: this.seconds.at(-1)?.pods ?? 0 });
    return this.seconds[at] as Second;
  }
}
