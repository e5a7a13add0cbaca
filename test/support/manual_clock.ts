import { type Clock, sleepOn, type Timer } from "../../runtime/clock.ts";

/** A clock that stands still until a test moves it. Monotonic time starts at 0, wall time at `2026-01-01T00:00:00Z`. */
export interface ManualClock extends Clock {
  /** Timers that are set and have neither fired nor been cancelled. */
  readonly pendingTimers: number;
  /**
   * Moves time on by `durationMs`, firing the timers that fall due in order of time, then of setting; each sees its own
   * moment on the clock, and what it set off has run before the next one fires.
   */
  advance(durationMs: number): Promise<void>;
  /** Moves time on at once and fires due timers without letting anything else run in between. */
  advanceNow(durationMs: number): void;
  /** Moves time on while nothing runs, as a busy event loop does: timers that fall due fire with the next `advance`. */
  stall(durationMs: number): void;
  /** Lets everything run that is ready to run: microtasks, immediates and what they set off. Time stands still. */
  flush(): Promise<void>;
}

interface PendingTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

const WALL_START_MS = Date.UTC(2026, 0, 1);
/** Rounds of immediates that `flush` waits for: an actor's hop takes one or two, and a test crosses a handful of actors. */
const FLUSH_ROUNDS = 24;

export function manualClock(): ManualClock {
  const timers = new Set<PendingTimer>();
  let nowMs = 0;
  let orders = 0;

  const setTimer = (delayMs: number, callback: () => void): Timer => {
    const timer = { dueMs: nowMs + Math.max(0, delayMs), order: orders++, callback };
    timers.add(timer);
    return { cancel: () => timers.delete(timer) };
  };

  /** Takes the next timer due at or before `endMs` and fires it; false when there is none. */
  const fireNext = (endMs: number): boolean => {
    let next: PendingTimer | undefined;
    for (const timer of timers) {
      if (timer.dueMs > endMs) continue;
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) next = timer;
    }
    if (next === undefined) return false;
    timers.delete(next);
    nowMs = Math.max(nowMs, next.dueMs);
    next.callback();
    return true;
  };

  const flush = async (): Promise<void> => {
    for (let round = 0; round < FLUSH_ROUNDS; round++) await new Promise<void>((resolve) => void setImmediate(resolve));
  };

  return {
    monotonicMs: () => nowMs,
    wallMs: () => WALL_START_MS + nowMs,
    setTimer,
    sleep: (durationMs, signal) => sleepOn(setTimer, durationMs, signal),
    get pendingTimers() {
      return timers.size;
    },
    flush,
    async advance(durationMs) {
      const endMs = nowMs + durationMs;
      await flush();
      while (fireNext(endMs)) await flush();
      nowMs = endMs;
      await flush();
    },
    advanceNow(durationMs) {
      const endMs = nowMs + durationMs;
      while (fireNext(endMs));
      nowMs = endMs;
    },
    stall(durationMs) {
      nowMs += durationMs;
    },
  };
}
