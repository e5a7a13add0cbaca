/** Allows a share of what was counted, with a store for a burst: so a storm of slow answers cannot double the load. */
export class Budget {
  readonly #share: number;
  readonly #burst: number;
  #tokens: number;

  /** @param share in 0..1 */
  constructor(share: number, burst: number) {
    this.#share = share;
    this.#burst = burst;
    this.#tokens = burst;
  }

  count(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + this.#share);
  }

  get canSpend(): boolean {
    return this.#tokens >= 1;
  }

  spend(): void {
    this.#tokens -= 1;
  }
}
