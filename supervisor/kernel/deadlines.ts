import type { Clock, Timer } from "../../runtime/clock.ts";

/** Something that must have ended by `deadlineMs` of the monotonic clock. */
export interface Deadline {
  readonly deadlineMs: number;
  /** Place in the heap, -1 outside of it; only `Deadlines` writes it. */
  heapIndex: number;
  expire(): void;
}

/**
 * All deadlines of a kernel on one timer: a binary heap whose entries know their place, so that an ask that is answered
 * leaves at once. The timer is set for the earliest deadline known when it was set and never moved later: under load that
 * is one timer per time limit instead of one per ask.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #heap: Deadline[] = [];
  #timer: Timer | null = null;
  #armedForMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(entry: Deadline): void {
    this.#up(entry, this.#heap.length);
    if (entry.deadlineMs < this.#armedForMs) this.#arm(entry.deadlineMs);
  }

  remove(entry: Deadline): void {
    const index = entry.heapIndex;
    if (index < 0) return;
    entry.heapIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    this.#up(last, index);
    this.#down(last, last.heapIndex);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  #arm(deadlineMs: number): void {
    this.#timer?.cancel();
    this.#armedForMs = deadlineMs;
    this.#timer = this.#clock.setTimer(Math.max(0, deadlineMs - this.#clock.monotonicMs()), () => this.#fire());
  }

  #fire(): void {
    this.#timer = null;
    this.#armedForMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    for (let first = this.#heap[0]; first !== undefined && first.deadlineMs <= nowMs; first = this.#heap[0]) {
      this.remove(first);
      first.expire();
    }
    const next = this.#heap[0];
    if (next !== undefined && next.deadlineMs < this.#armedForMs) this.#arm(next.deadlineMs);
  }

  /** Puts `entry` at `index` (the end, or a hole) and moves it up to its place. */
  #up(entry: Deadline, start: number): void {
    let index = start;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex] as Deadline;
      if (parent.deadlineMs <= entry.deadlineMs) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(entry, index);
  }

  #down(entry: Deadline, start: number): void {
    let index = start;
    for (;;) {
      const left = this.#heap[index * 2 + 1];
      if (left === undefined) break;
      const right = this.#heap[index * 2 + 2];
      const child = right !== undefined && right.deadlineMs < left.deadlineMs ? right : left;
      if (entry.deadlineMs <= child.deadlineMs) break;
      const childIndex = child.heapIndex;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(entry, index);
  }

  #place(entry: Deadline, index: number): void {
    this.#heap[index] = entry;
    entry.heapIndex = index;
  }
}
