import type { Clock, Timer } from "../runtime/clock.ts";

/** How late timers fire, which is how long everything else waits. Measured by hand: Deno's `monitorEventLoopDelay` sees nothing. */
export interface EventLoopLag {
  /** Seconds by quantile over the samples kept (about 20 s); 0 before the first sample. */
  quantile(share: number): number;
  stop(): void;
}

const INTERVAL_MS = 20;
const SAMPLES = 1_024;

export function measureEventLoopLag(clock: Clock): EventLoopLag {
  const lagsMs = new Float64Array(SAMPLES);
  let taken = 0;
  let timer: Timer;
  const schedule = () => {
    const dueMs = clock.monotonicMs() + INTERVAL_MS;
    timer = clock.setTimer(INTERVAL_MS, () => {
      lagsMs[taken++ % SAMPLES] = Math.max(0, clock.monotonicMs() - dueMs);
      schedule();
    });
  };
  schedule();
  return {
    quantile(share) {
      const sorted = lagsMs.slice(0, Math.min(taken, SAMPLES)).sort();
      return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / 1_000;
    },
    stop: () => timer.cancel(),
  };
}
