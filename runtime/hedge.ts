import { cancellationOf } from "./cancellation.ts";
import type { Clock } from "./clock.ts";
import { kennelError } from "./errors.ts";
import { LatencySketch } from "./latency_sketch.ts";

/** Second attempts that may be saved up: as many as a burst of slow calls may have at once. */
const MAX_SAVED = 10;
/** The percentile is known to 5 %: whatever takes just as long as usual is not slow. */
const SLOWER = 1.1;
/** Durations, by what is left of them, from which on a percentile is believed. */
const MIN_COUNT = 20;

export interface HedgeStats {
  /** Calls that might have had a second attempt. */
  readonly calls: number;
  /** Those that had one. */
  readonly hedged: number;
  /** Those whose second attempt answered first. */
  readonly won: number;
  /** Those that were slow and had none, because the budget was spent. */
  readonly refused: number;
}

/**
 * What all second attempts of a node together may be: a token bucket into which each first attempt puts `share` (0..1) of a
 * token and from which each second one takes a whole (as gRPC throttles its retries, proposal A6).
 */
export class HedgeBudget {
  readonly #share: number;
  readonly #flags: { readonly hedging: boolean };
  #tokens = 0;
  #calls = 0;
  #hedged = 0;
  #won = 0;
  #refused = 0;

  /** @param flags looked at for each call: whether there are second attempts now */
  constructor(share: number, flags: { readonly hedging: boolean } = { hedging: true }) {
    this.#share = share;
    this.#flags = flags;
  }

  get isOn(): boolean {
    return this.#flags.hedging;
  }

  get stats(): HedgeStats {
    return { calls: this.#calls, hedged: this.#hedged, won: this.#won, refused: this.#refused };
  }

  noteCall(): void {
    this.#calls++;
    this.#tokens = Math.min(MAX_SAVED, this.#tokens + this.#share);
  }

  take(): boolean {
    if (this.#tokens < 1) {
      this.#refused++;
      return false;
    }
    this.#tokens--;
    this.#hedged++;
    return true;
  }

  noteWon(): void {
    this.#won++;
  }
}

export interface HedgeOptions {
  readonly clock: Clock;
  readonly budget: HedgeBudget;
  /** A second attempt is never made sooner, in ms. */
  readonly minDelayMs: number;
  /** Time after which a call counts half in what was learned. */
  readonly halfLifeMs: number;
}

/**
 * Calls of one kind, of which one that takes longer than 95 of 100 usually do gets a second attempt beside the first: the
 * first answer wins, and the other attempt is cancelled (hedged requests: Dean and Barroso, The Tail at Scale, CACM 2013).
 * Only for what may be done twice.
 */
export class Hedge {
  readonly #options: HedgeOptions;
  readonly #times: LatencySketch;

  constructor(options: HedgeOptions) {
    this.#options = options;
    this.#times = new LatencySketch(options.halfLifeMs);
  }

  /**
   * Settles as the attempt that answers first, or as the first attempt where none does; at once when it fails alone: a hedge
   * is no retry.
   */
  run<Result>(signal: AbortSignal, attempt: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    if (signal.aborted) return Promise.reject(cancellationOf(signal));
    this.#options.budget.noteCall();
    const delayMs = this.#delayMs();
    return new Race(this.#options, delayMs, signal, attempt, (durationMs) => this.#note(durationMs)).result;
  }

  /** Null: too little is known to say that a call is slow. */
  #delayMs(): number | null {
    const { clock, minDelayMs, budget } = this.#options;
    if (!budget.isOn || this.#times.countAt(clock.monotonicMs()) < MIN_COUNT) return null;
    const p95 = this.#times.quantile(0.95);
    return p95 === null ? null : Math.max(minDelayMs, p95 * SLOWER);
  }

  /** Of first attempts alone: second ones would make a slow service look quick, and have even more. */
  #note(durationMs: number): void {
    this.#times.note(durationMs, this.#options.clock.monotonicMs());
  }
}

/** One call with its attempts. */
class Race<Result> {
  readonly result: Promise<Result>;
  readonly #options: HedgeOptions;
  readonly #attempt: (signal: AbortSignal) => Promise<Result>;
  readonly #noteFirst: (durationMs: number) => void;
  readonly #signal: AbortSignal;
  readonly #attempts: AbortController[] = [];
  readonly #startedMs: number;
  readonly #settle = Promise.withResolvers<Result>();
  readonly #onAbort = () => this.#end(() => this.#settle.reject(cancellationOf(this.#signal)), cancellationOf(this.#signal));
  #timer: { cancel(): void } | null = null;
  #running = 0;
  #isEnded = false;
  #firstError: unknown = null;

  constructor(
    options: HedgeOptions,
    delayMs: number | null,
    signal: AbortSignal,
    attempt: (signal: AbortSignal) => Promise<Result>,
    noteFirst: (durationMs: number) => void,
  ) {
    this.#options = options;
    this.#attempt = attempt;
    this.#noteFirst = noteFirst;
    this.#signal = signal;
    this.#startedMs = options.clock.monotonicMs();
    this.result = this.#settle.promise;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (delayMs !== null) {
      this.#timer = options.clock.setTimer(delayMs, () => {
        if (options.budget.take()) this.#start(true);
      });
    }
    this.#start(false);
  }

  #start(isSecond: boolean): void {
    const controller = new AbortController();
    this.#attempts.push(controller);
    this.#running++;
    this.#attempt(controller.signal).then(
      (value) => this.#answered(isSecond, value),
      (error: unknown) => this.#failed(isSecond, error),
    );
  }

  #answered(isSecond: boolean, value: Result): void {
    if (this.#isEnded) return;
    // Where the second has won, the first has taken at least as long.
    this.#noteFirst(this.#options.clock.monotonicMs() - this.#startedMs);
    if (isSecond) this.#options.budget.noteWon();
    this.#end(() => this.#settle.resolve(value), kennelError("cancelled"));
  }

  #failed(isSecond: boolean, error: unknown): void {
    if (this.#isEnded) return;
    if (!isSecond || this.#firstError === null) this.#firstError = error;
    if (--this.#running === 0) this.#end(() => this.#settle.reject(this.#firstError), error);
  }

  #end(settle: () => void, reason: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer?.cancel();
    this.#signal.removeEventListener("abort", this.#onAbort);
    settle();
    for (const controller of this.#attempts) controller.abort(reason);
  }
}
