import type { Clock } from "../../../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { SearchOutcome } from "../messages.ts";

/** What a collection does without because it misses its deadlines: nothing, what answers can do without, or a part of its queries. */
export type Shedding = "nothing" | "optional_work" | "load";

export interface SheddingLimits {
  /** Share of missed deadlines, 0..1, from which on more is shed. */
  readonly maxMissRatio: number;
  /** Queries below which no ratio makes matters worse. */
  readonly minCalls: number;
  /** Time that a step lasts at least. */
  readonly holdMs: number;
}

export interface PressureStatus {
  readonly sheds: Shedding;
  /** Share of the queries that are taken. */
  readonly admitted: number;
  readonly answered: number;
  readonly missed: number;
}

/** Less time than this proves nothing against a collection, whoever gave it. */
const LEAST_GIVEN_MS = 50;
/** Below this part of `maxMissRatio` less is shed; between the two it stays as it is. */
const CALM = 0.25;
/** Holds after which few queries are enough to judge by; twice as many without any, and nothing is known any more. */
const PATIENT_HOLDS = 5;
/** A part of the queries is always taken: how else would it be known that deadlines are kept again? */
const LEAST_ADMITTED = 1 / 16;
/** Queries over which the moving mean of answers' times runs. */
const MEAN_OVER = 16;

/**
 * The request-level breaker of one collection. While it misses its deadlines, optional work is shed first; if that does not
 * help, half of its queries, then half of what is left; back the same way, a step at a time. Counts queries that were
 * computed, not what was answered from the cache.
 */
export class DeadlinePressure {
  readonly #clock: Clock;
  readonly #limits: SheddingLimits;
  readonly #flags: { readonly shedding: boolean };
  #sheds: Shedding = "nothing";
  #admitted = 1;
  #answered = 0;
  #missed = 0;
  #sinceMs: number;
  #notedAtMs: number;
  #meanMs = 0;

  /** @param flags looked at for each query: whether anything is shed now */
  constructor(clock: Clock, limits: SheddingLimits, flags: { readonly shedding: boolean } = { shedding: true }) {
    this.#clock = clock;
    this.#limits = limits;
    this.#flags = flags;
    this.#sinceMs = this.#notedAtMs = clock.monotonicMs();
  }

  get sheds(): Shedding {
    return this.#flags.shedding ? this.#sheds : "nothing";
  }

  get status(): PressureStatus {
    return { sheds: this.sheds, admitted: this.#admitted, answered: this.#answered, missed: this.#missed };
  }

  /** Null: the query is taken. @param chance drawn evenly from 0..1 */
  refusal(collection: string, chance: number): KennelError | null {
    const { holdMs } = this.#limits;
    if (this.sheds === "nothing") return null;
    if (this.#clock.monotonicMs() - this.#notedAtMs > holdMs * PATIENT_HOLDS * 2) this.#forget();
    if (chance < this.#admitted) return null;
    return kennelError("overloaded", {
      message: `Collection "${collection}" misses its deadlines, so a part of its queries is refused until it keeps them again`,
      retryAfterMs: holdMs,
    });
  }

  /** Learns from a query whether the collection keeps its deadlines. Settles as `ask` does. */
  async observed(timeoutMs: number, ask: () => Promise<SearchOutcome>): Promise<SearchOutcome> {
    const startedMs = this.#clock.monotonicMs();
    try {
      const outcome = await ask();
      if (outcome.kind === "answered") this.noteAnswer(this.#clock.monotonicMs() - startedMs);
      else if (outcome.error.code === "deadline_exceeded") this.noteMiss(timeoutMs);
      return outcome;
    } catch (thrown) {
      if (toKennelError(thrown).code === "deadline_exceeded") this.noteMiss(timeoutMs);
      throw thrown;
    }
  }

  noteAnswer(durationMs: number): void {
    this.#answered++;
    this.#meanMs += (durationMs - this.#meanMs) / MEAN_OVER;
    this.#judge();
  }

  /** @param givenMs the time that the query had */
  noteMiss(givenMs: number): void {
    if (givenMs < Math.max(LEAST_GIVEN_MS, this.#meanMs)) return;
    this.#missed++;
    this.#judge();
  }

  #judge(): void {
    const { maxMissRatio, minCalls, holdMs } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    this.#notedAtMs = nowMs;
    const heldMs = nowMs - this.#sinceMs;
    const calls = this.#answered + this.#missed;
    if (heldMs < holdMs || (calls < minCalls && heldMs < holdMs * PATIENT_HOLDS)) return;
    const ratio = this.#missed / calls;
    if (ratio >= maxMissRatio) {
      if (calls >= minCalls) this.#worsen();
    } else if (ratio <= maxMissRatio * CALM) this.#ease();
    this.#answered = 0;
    this.#missed = 0;
    this.#sinceMs = nowMs;
  }

  #worsen(): void {
    if (this.#sheds === "nothing") {
      this.#sheds = "optional_work";
      return;
    }
    this.#sheds = "load";
    this.#admitted = Math.max(LEAST_ADMITTED, this.#admitted / 2);
  }

  #ease(): void {
    if (this.#sheds === "load") {
      this.#admitted = Math.min(1, this.#admitted * 2);
      if (this.#admitted === 1) this.#sheds = "optional_work";
      return;
    }
    this.#sheds = "nothing";
  }

  #forget(): void {
    this.#sheds = "nothing";
    this.#admitted = 1;
    this.#answered = 0;
    this.#missed = 0;
    this.#sinceMs = this.#clock.monotonicMs();
  }
}
