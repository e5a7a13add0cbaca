/**
 * Believes a change only after it has held for a while, so that a service at its edge does not make the mode flap.
 * `failAfterMs` and `recoverAfterMs` are >= 0; 0 believes at once.
 */
export class Hysteresis {
  readonly #failAfterMs: number;
  readonly #recoverAfterMs: number;
  #believed = true;
  #changedAtMs: number | null = null;

  constructor(failAfterMs: number, recoverAfterMs: number) {
    this.#failAfterMs = failAfterMs;
    this.#recoverAfterMs = recoverAfterMs;
  }

  /** Takes an observation at a monotonic time and returns whether the service counts as available. */
  observe(isAvailable: boolean, nowMs: number): boolean {
    if (isAvailable === this.#believed) {
      this.#changedAtMs = null;
      return this.#believed;
    }
    this.#changedAtMs ??= nowMs;
    if (nowMs - this.#changedAtMs >= (isAvailable ? this.#recoverAfterMs : this.#failAfterMs)) {
      this.#believed = isAvailable;
      this.#changedAtMs = null;
    }
    return this.#believed;
  }
}
