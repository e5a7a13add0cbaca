import type { UpkeepTask } from "./upkeep_task.ts";

export interface MemoryWatchParts {
  readonly read: () => { readonly usedBytes: number; readonly limitBytes: number };
  /** Share of the limit above which room is made, 0..1. */
  readonly highWater: number;
  readonly intervalMs: number;
  /** Lets go of what can be built again. */
  readonly relieve: () => void;
  /** Told once when the mark is passed, and once when the process is well below it again. */
  readonly onChange: (state: "memory_high" | "memory_normal", detail: string) => void;
}

/** How far below the mark a process must be to count as normal again, so that one at the mark does not tell of it with each look. */
const MARGIN = 0.05;
const LOOK_LIMIT_MS = 10_000;

/** Looks how much memory the process has; above the mark retrievers make room. */
export function watchMemory({ read, highWater, intervalMs, relieve, onChange }: MemoryWatchParts): UpkeepTask {
  let isHigh = false;
  return {
    name: "watch_memory",
    intervalMs,
    timeoutMs: LOOK_LIMIT_MS,
    takesTurns: false,
    async run() {
      const { usedBytes, limitBytes } = read();
      const share = usedBytes / limitBytes;
      const detail = `${Math.round(share * 100)} % of ${Math.round(limitBytes / 1e6)} MB`;
      const isAbove = share > highWater;
      if (isAbove) relieve();
      const isNews = isAbove && !isHigh;
      if (isNews) onChange("memory_high", detail);
      if (isHigh && share < highWater - MARGIN) onChange("memory_normal", detail);
      isHigh = isAbove || (isHigh && share >= highWater - MARGIN);
      return isNews ? 1 : 0;
    },
  };
}
