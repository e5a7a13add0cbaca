import { constants, platform, setPriority } from "node:os";

/**
 * Lets the calling thread's work give way to everything else of the process: what answers comes first where cores are few.
 * Linux alone keeps a nice value for each thread (setpriority(2)); elsewhere it would be the whole process's, so nothing is
 * done there, nor where it is not permitted. Threads that it starts inherit it.
 */
export function lowerThreadPriority(): void {
  if (platform() !== "linux") return;
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // The work is done all the same, only at its usual priority.
  }
}
