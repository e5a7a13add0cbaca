import type { Clock } from "../../../runtime/clock.ts";
import { toKennelError } from "../../../runtime/errors.ts";
import type { Scope } from "../../../transport/transport.ts";
import { checkFilter } from "../../vector_store/filter.ts";
import type { SearchRequest } from "../search.ts";
import type { CollectionView } from "./options.ts";
import type { PopularQueries, PopularQuery } from "./popular_queries.ts";

// Invariants:
//   R1. One question at a time, and between two of them a rest of three times what the last one took: it never has more
//       than a quarter of what callers could have.
//   R2. While callers' questions are being worked out it waits for a gap, but not for ever.
//   R3. Each question is asked in the scope of those who asked it, so that no cache is filled across scopes.
//   R4. A degraded answer fills no cache, so it waits until a whole one can be had, for `MAX_WAITS` at most.

export interface ReplayParts {
  readonly clock: Clock;
  readonly popular: PopularQueries;
  readonly collections: CollectionView;
  /** Whether callers' questions are being worked out. */
  readonly isBusy: () => boolean;
  /** Searches as callers do, without being counted as one; rejects with `degraded` where the answer is not whole. */
  readonly ask: (request: SearchRequest, scope: Scope, signal: AbortSignal) => Promise<unknown>;
  readonly onAsked: () => void;
}

const REST_FACTOR = 3;
const MIN_REST_MS = 5;
const MAX_REST_MS = 2_000;
const MAX_GAP_LOOKS = 20;
const WAIT_MS = 5_000;
const MAX_WAITS = 120;
/** What may be otherwise a while later. */
const PASSING = ["degraded", "unavailable", "overloaded", "deadline_exceeded"];

/** Asks what was asked most, so that caches are warm when it is asked again. */
export class Replay {
  readonly #parts: ReplayParts;
  #left = 0;
  #waits = 0;

  constructor(parts: ReplayParts) {
    this.#parts = parts;
  }

  /** Questions that are still to be asked. */
  get left(): number {
    return this.#left;
  }

  /** @param collections the ones that are warm. Never rejects; ends when the signal aborts. */
  async run(collections: readonly string[], signal: AbortSignal): Promise<void> {
    const queries = collections.flatMap((name) => this.#parts.popular.top(name).map((query) => ({ name, query })));
    this.#left = queries.length;
    this.#waits = 0;
    for (const { name, query } of queries) {
      if (signal.aborted) break;
      const restMs = await this.#askUntilWhole(name, query, signal);
      this.#left--;
      await this.#rest(restMs, signal); // R1
    }
    this.#left = 0;
  }

  /** @returns how long to rest after it, in ms */
  async #askUntilWhole(name: string, query: PopularQuery, signal: AbortSignal): Promise<number> {
    const { clock, onAsked } = this.#parts;
    for (;;) {
      const startedMs = clock.monotonicMs();
      const code = await this.#ask(name, query, signal);
      if (code === null) onAsked();
      const isToRepeat = code !== null && PASSING.includes(code) && this.#waits < MAX_WAITS && !signal.aborted; // R4
      if (!isToRepeat) return Math.min(MAX_REST_MS, Math.max(MIN_REST_MS, REST_FACTOR * (clock.monotonicMs() - startedMs)));
      this.#waits++;
      await this.#rest(WAIT_MS, signal);
    }
  }

  /** The code of what went wrong, or null. */
  async #ask(name: string, { request, scope }: PopularQuery, signal: AbortSignal): Promise<string | null> {
    const resolved = this.#parts.collections.resolve(request.collection);
    if (resolved?.record.name !== name) return "not_found"; // an alias that has moved, or what is gone
    for (let looks = 0; this.#parts.isBusy() && looks < MAX_GAP_LOOKS && !signal.aborted; looks++) await this.#rest(MIN_REST_MS, signal); // R2
    try {
      const filter = request.filter === null ? null : checkFilter(request.filter, resolved.record.attributes);
      await this.#parts.ask({ ...request, filter, allowDegraded: false }, scope, signal); // R3
      return null;
    } catch (thrown) {
      return toKennelError(thrown).code;
    }
  }

  async #rest(durationMs: number, signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(durationMs, signal).catch(() => undefined);
  }
}
