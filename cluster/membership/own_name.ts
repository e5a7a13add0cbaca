import { type Heartbeat, type Incarnation, isLater } from "./heartbeat.ts";

// Invariants:
//   N1. Of two nodes with one name the one that began later keeps to itself for as long as the other one is heard.
//   N2. What comes back of this node itself, or of a life that it had before, is nobody else's; nor is what digests go on
//       telling of one that had the name before this node began.

const MAX_FORMER = 8;

/** Whether another node has this one's name. */
export class OwnName {
  readonly #freeAfterMs: number;
  readonly #marginMs: number;
  /** Ids of the incarnations that this node was before. */
  readonly #former: string[] = [];
  #begunMs: number;
  #heardMs: number | null = null;

  /** @param freeAfterMs silence of the other one after which the name is this node's. @param marginMs what a heartbeat may be late */
  constructor(freeAfterMs: number, marginMs: number, nowMs: number) {
    this.#freeAfterMs = freeAfterMs;
    this.#marginMs = marginMs;
    this.#begunMs = nowMs;
  }

  /** Another node has it, and was there first. */
  get isTaken(): boolean {
    return this.#heardMs !== null;
  }

  /** This node comes back as another incarnation. */
  beginAnew(former: Incarnation, nowMs: number): void {
    this.#former.unshift(former.id);
    this.#former.length = Math.min(this.#former.length, MAX_FORMER);
    this.#begunMs = nowMs;
  }

  /**
   * A heartbeat with this node's name.
   * @param ageMs how old it is, as a digest says; null: the node itself was heard
   * @returns whether the name was free until now and is taken
   */
  hear(beat: Heartbeat, self: Incarnation, nowMs: number, ageMs: number | null): boolean {
    const { id } = beat.incarnation;
    if (ageMs !== null && nowMs - ageMs < this.#begunMs + this.#marginMs) return false; // N2
    if (id === self.id || this.#former.includes(id) || beat.isLeaving) return false;
    if (!isLater(self, beat.incarnation)) return false; // the other one sees this one's heartbeats and yields
    const wasFree = this.#heardMs === null;
    this.#heardMs = nowMs;
    return wasFree;
  }

  /** @returns whether the name was taken until now and is free */
  sweep(nowMs: number): boolean {
    if (this.#heardMs === null || nowMs - this.#heardMs < this.#freeAfterMs) return false;
    this.#heardMs = null;
    return true;
  }
}
