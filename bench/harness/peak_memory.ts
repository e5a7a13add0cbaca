import { readFileSync, writeFileSync } from "node:fs";

/** What makes Linux take a process's present memory for its peak. */
const RESET_PEAK = "5";

/**
 * From now on, the most memory that a process has had at once, as the kernel counts it (resident set).
 * @returns reads it, in bytes; NaN where the system does not tell, or the process has gone
 */
export function watchPeak(pid: number): () => number {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK);
  } catch {
    return () => Number.NaN;
  }
  return () => {
    try {
      const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      return Number(kilobytes ?? Number.NaN) * 1_024;
    } catch {
      return Number.NaN;
    }
  };
}
