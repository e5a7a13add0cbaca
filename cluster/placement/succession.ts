import type { Membership } from "../membership/membership.ts";
import type { Placement } from "./placement.ts";

// Invariants:
//   S1. Make before break: a node lets go of a collection only once a node that is to hold it can answer for it.
//   S2. Warming is rationed: at most `maxWarming` at once and `warmPerSecond` on the average, except what a node that
//       drains or has died held, which is as urgent as it gets and only bounded by `maxWarming`.
//   S3. Looking is rationed, too: a sweep looks at `maxExamined` names.
//   S4. What others hold is looked at again and again, `maxAgain` names a sweep: places change without a word about each
//       collection, and a warming may fail. Nothing stays for long where it need not be.

export interface SuccessionOptions {
  readonly maxWarming: number;
  readonly warmPerSecond: number;
  readonly maxExamined: number;
  readonly maxAgain: number;
  /** How long after a warming another one is begun where it came to nothing. */
  readonly tryAgainMs: number;
  /** Names that wait to be looked at; beyond it they wait for their first query. */
  readonly maxQueued: number;
  /** How long a collection has to be ready elsewhere before it is let go here. */
  readonly lingerMs: number;
}

export const SUCCESSION_OPTIONS: SuccessionOptions = {
  maxWarming: 2,
  warmPerSecond: 5,
  maxExamined: 256,
  maxAgain: 64,
  tryAgainMs: 10_000,
  maxQueued: 100_000,
  lingerMs: 5_000,
};

export interface SuccessionPlan {
  readonly warm: readonly string[];
  readonly release: readonly string[];
}

/** What one node has to warm because it is to hold it, and may let go of because others do. */
export class Succession {
  readonly #self: string;
  readonly #membership: Membership;
  readonly #placement: Placement;
  readonly #options: SuccessionOptions;
  readonly #urgent = new Set<string>();
  readonly #queued = new Set<string>();
  readonly #warming = new Set<string>();
  readonly #surplusSinceMs = new Map<string, number>();
  #again: Generator<string> | null = null;
  /** When the last warming of a collection began that was not ready at the time. */
  readonly #triedMs = new Map<string, number>();
  #allowance: number;
  #sweptMs: number;

  constructor(self: string, membership: Membership, placement: Placement, options: SuccessionOptions, nowMs: number) {
    this.#self = self;
    this.#membership = membership;
    this.#placement = placement;
    this.#options = options;
    this.#allowance = options.warmPerSecond;
    this.#sweptMs = nowMs;
  }

  /** Collections that are to be looked at and being warmed: moves under way. */
  get pending(): number {
    return this.#urgent.size + this.#queued.size + this.#warming.size;
  }

  /** These are held by a node that drains or has died. */
  inherit(names: Iterable<string>): void {
    for (const name of names) if (this.pending < this.#options.maxQueued) this.#urgent.add(name);
  }

  /** These are held, pinned or popular somewhere, and may be this node's. */
  consider(names: Iterable<string>): void {
    for (const name of names) if (this.pending < this.#options.maxQueued) this.#queued.add(name);
  }

  /** A warming that `sweep` has asked for has ended. */
  warmed(name: string): void {
    this.#warming.delete(name);
  }

  sweep(ready: ReadonlySet<string>, nowMs: number): SuccessionPlan {
    const { warmPerSecond, maxExamined } = this.#options;
    this.#allowance = Math.min(warmPerSecond, this.#allowance + ((nowMs - this.#sweptMs) / 1_000) * warmPerSecond);
    this.#sweptMs = nowMs;
    this.#lookAgain(ready, nowMs);
    const warm = [...this.#take(this.#urgent, ready, maxExamined, false), ...this.#take(this.#queued, ready, maxExamined, true)];
    for (const name of warm) this.#triedMs.set(name, nowMs);
    return { warm, release: this.#surplus(ready, nowMs) };
  }

  /** S4 */
  #lookAgain(ready: ReadonlySet<string>, nowMs: number): void {
    const isRecent = (triedMs: number | undefined) => triedMs !== undefined && nowMs - triedMs < this.#options.tryAgainMs;
    this.#again ??= this.#heldElsewhere();
    for (let looked = 0; looked < this.#options.maxAgain; looked++) {
      const next = this.#again.next();
      if (next.done === true) {
        this.#again = null;
        for (const [name, triedMs] of this.#triedMs) if (!isRecent(triedMs)) this.#triedMs.delete(name);
        return;
      }
      const name = next.value;
      if (ready.has(name) || this.#warming.has(name) || isRecent(this.#triedMs.get(name))) continue;
      if (this.#placement.ownersOf(name).includes(this.#self)) this.consider([name]);
    }
  }

  *#heldElsewhere(): Generator<string> {
    for (const { beat, state, ready } of this.#membership.all()) if (state === "alive" && beat.node !== this.#self) yield* ready ?? [];
  }

  #take(names: Set<string>, ready: ReadonlySet<string>, maxExamined: number, isRationed: boolean): string[] {
    const taken: string[] = [];
    let examined = 0;
    for (const name of names) {
      const isFull = this.#warming.size >= this.#options.maxWarming || (isRationed && this.#allowance < 1);
      if (isFull || ++examined > maxExamined) break;
      names.delete(name);
      if (ready.has(name) || this.#warming.has(name) || !this.#placement.ownersOf(name).includes(this.#self)) continue;
      if (isRationed) this.#allowance -= 1;
      this.#warming.add(name);
      taken.push(name);
    }
    return taken;
  }

  #surplus(ready: ReadonlySet<string>, nowMs: number): string[] {
    for (const name of this.#surplusSinceMs.keys()) if (!ready.has(name)) this.#surplusSinceMs.delete(name);
    const released: string[] = [];
    for (const name of ready) {
      const owners = this.#placement.ownersOf(name);
      const isSurplus = !owners.includes(this.#self) && owners.some((owner) => this.#isReadyOn(owner, name)); // S1
      if (!isSurplus) {
        this.#surplusSinceMs.delete(name);
        continue;
      }
      const sinceMs = this.#surplusSinceMs.get(name) ?? nowMs;
      this.#surplusSinceMs.set(name, sinceMs);
      if (nowMs - sinceMs >= this.#options.lingerMs) released.push(name);
    }
    return released;
  }

  #isReadyOn(node: string, name: string): boolean {
    const member = this.#membership.find(node);
    return member !== null && member.state === "alive" && (member.ready?.has(name) ?? false);
  }
}
