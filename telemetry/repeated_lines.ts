const WINDOW_MS = 60_000;
/** Messages that are told apart; they are sentences of the code, so there are fewer. Further ones share one place. */
const MAX_MESSAGES = 1_000;
const OTHERS = "other lines";

/** A message of which lines were left out. */
export interface LeftOut {
  readonly line: string;
  readonly count: number;
}

/**
 * Lets a message through a number of times a minute, so that what happens ten thousand times a second neither fills a disk nor
 * hides what else is said. What is left out is counted and told with the first line of a later minute.
 */
export class RepeatedLines {
  readonly #max: number;
  readonly #nowMs: () => number;
  readonly #seen = new Map<string, number>();
  #windowEndsMs = Number.NEGATIVE_INFINITY;

  /** @param max lines with one message in a minute */
  constructor(max: number, nowMs: () => number) {
    this.#max = max;
    this.#nowMs = nowMs;
  }

  /** Those of the minute before, once, when a new one has begun. */
  ended(): readonly LeftOut[] {
    const nowMs = this.#nowMs();
    if (nowMs < this.#windowEndsMs) return [];
    this.#windowEndsMs = nowMs + WINDOW_MS;
    const left = [...this.#seen].filter(([, times]) => times > this.#max).map(([line, times]) => ({ line, count: times - this.#max }));
    this.#seen.clear();
    return left;
  }

  admits(message: string): boolean {
    const line = this.#seen.has(message) || this.#seen.size < MAX_MESSAGES ? message : OTHERS;
    const times = (this.#seen.get(line) ?? 0) + 1;
    this.#seen.set(line, times);
    return times <= this.#max;
  }
}
