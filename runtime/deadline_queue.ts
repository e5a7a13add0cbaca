import type { Clock, Timer } from "./clock.ts";

// Invariants:
//   D1. A deadline fires once, not before its time, and never after it was cancelled.
//   D2. Within a lane deadlines stand in the order of their time; the lane's timer is set for its first or an earlier one.
//   D3. At most `MAX_LANES` lanes; a deadline of yet another length has a timer of its own.

/** Lengths of time that share timers; callers who name one of their own are few at a time. */
const MAX_LANES = 64;

interface Entry extends Timer {
  readonly dueMs: number;
  readonly onDue: () => void;
  before: Entry | null;
  after: Entry | null;
}

interface Lane {
  first: Entry | null;
  last: Entry | null;
}

/**
 * Timers for what is nearly always over in time: setting and cancelling one moves a few references, since all of one
 * length share a timer of the clock. It runs on when its deadline was cancelled, and looks for the next one then.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #lanes = new Map<number, Lane>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onDue` once, `lengthMs` after `startMs` (monotonic), unless it is cancelled before. */
  set(startMs: number, lengthMs: number, onDue: () => void): Timer {
    const dueMs = startMs + lengthMs;
    let lane = this.#lanes.get(lengthMs);
    if (lane === undefined) {
      if (this.#lanes.size >= MAX_LANES) return this.#clock.setTimer(Math.max(0, dueMs - this.#clock.monotonicMs()), onDue); // D3
      lane = { first: null, last: null };
      this.#lanes.set(lengthMs, lane);
      this.#arm(lengthMs, lane, dueMs);
    }
    return enqueue(lane, dueMs, onDue);
  }

  #arm(lengthMs: number, lane: Lane, dueMs: number): void {
    this.#clock.setTimer(Math.max(0, dueMs - this.#clock.monotonicMs()), () => this.#fire(lengthMs, lane));
  }

  #fire(lengthMs: number, lane: Lane): void {
    const nowMs = this.#clock.monotonicMs();
    while (lane.first !== null && lane.first.dueMs <= nowMs) {
      const { first } = lane;
      first.cancel();
      first.onDue();
    }
    if (lane.first === null) this.#lanes.delete(lengthMs);
    else this.#arm(lengthMs, lane, lane.first.dueMs);
  }
}

function enqueue(lane: Lane, dueMs: number, onDue: () => void): Entry {
  let isQueued = true;
  const entry: Entry = {
    dueMs,
    onDue,
    before: lane.last,
    after: null,
    cancel() {
      if (!isQueued) return;
      isQueued = false;
      if (entry.before === null) lane.first = entry.after;
      else entry.before.after = entry.after;
      if (entry.after === null) lane.last = entry.before;
      else entry.after.before = entry.before;
    },
  };
  // One that began earlier than the last was set: it belongs further ahead (D2).
  while (entry.before !== null && entry.before.dueMs > dueMs) {
    entry.after = entry.before;
    entry.before = entry.before.before;
  }
  if (entry.before === null) lane.first = entry;
  else entry.before.after = entry;
  if (entry.after === null) lane.last = entry;
  else entry.after.before = entry;
  return entry;
}
