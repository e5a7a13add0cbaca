/** Time as an argument: durations come from the monotonic side, what people read from the wall side. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. Measure with this. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch. Print with this. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs` (>= 0); the timer does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Resolves after `durationMs`; rejects with `signal.reason` when the signal aborts first. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
}

export interface Timer {
  /** Idempotent; after it the callback is never called. */
  cancel(): void;
}

export function systemClock(): Clock {
  const setTimer = (delayMs: number, callback: () => void): Timer => {
    // Timers hold 31 bits of milliseconds; a longer delay would fire at once.
    const handle = setTimeout(callback, Math.min(delayMs, 2_147_483_647));
    (handle as { unref?: () => void }).unref?.();
    return { cancel: () => clearTimeout(handle) };
  };
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    setTimer,
    sleep: (durationMs, signal) => sleepOn(setTimer, durationMs, signal),
  };
}

/** `sleep` made of a `setTimer`; shared by every clock. */
export function sleepOn(setTimer: Clock["setTimer"], durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = setTimer(durationMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
