import { readdirSync } from "node:fs";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Clock, systemClock } from "../../../runtime/clock.ts";

/** What a process holds at a moment, after all garbage was collected. */
export interface Holdings {
  readonly heapBytes: number;
  /** Files and sockets, as the kernel counts them. */
  readonly descriptors: number;
  /** Timers of the runtime that keep it alive, those of the clients among them. */
  readonly timers: number;
  /** Timers of the counted clock, which keep nothing alive. */
  readonly ownTimers: number;
}

export interface CountedClock extends Clock {
  /** Timers that were set and have neither fired nor been cancelled. */
  readonly pending: number;
}

export function countedClock(): CountedClock {
  const clock = systemClock();
  const pending = new Set<object>();
  return {
    ...clock,
    get pending() {
      return pending.size;
    },
    setTimer(delayMs, callback) {
      const key = {};
      pending.add(key);
      const timer = clock.setTimer(delayMs, () => {
        pending.delete(key);
        callback();
      });
      return {
        cancel() {
          pending.delete(key);
          timer.cancel();
        },
      };
    },
  };
}

const COLLECTIONS = 4;
const DESCRIPTORS = "/proc/self/fd";

/** Gives what waits for the collector its turns before it counts. */
export async function readHoldings(clock: CountedClock): Promise<Holdings> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let turn = 0; turn < COLLECTIONS; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    heapBytes: process.memoryUsage().heapUsed,
    descriptors: readdirSync(DESCRIPTORS).length,
    timers: process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length,
    ownTimers: clock.pending,
  };
}
