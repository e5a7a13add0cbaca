import { readdirSync, readFileSync } from "node:fs";

/** Of Linux' clock in /proc. */
const TICKS_PER_SECOND = 100;

/** Processor time of all threads of a process so far, user and system, in ms and in steps of 10; NaN where there is no /proc. */
export function processorMs(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  // The command's name may hold anything, so what counts begins behind its closing bracket.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11] ?? Number.NaN) + Number(fields[12] ?? Number.NaN)) * 1_000) / TICKS_PER_SECOND;
}

/** Nanoseconds that each thread has run so far, by the scheduler's own account; empty where there is no /proc. */
export type ThreadTimes = ReadonlyMap<string, number>;

/** For what is shorter than the clock's ticks can tell: a round of 200 ms is known to a twentieth by `processorMs`. */
export function threadTimes(pid: number): ThreadTimes {
  try {
    return new Map(readdirSync(`/proc/${pid}/task`).map((thread) => [thread, ranNs(pid, thread)]));
  } catch {
    return new Map();
  }
}

/** Milliseconds that a process's threads have run since `before`; what a thread did that has ended meanwhile is not in it. */
export function processorMsSince(pid: number, before: ThreadTimes): number {
  let ranFor = before.size === 0 ? Number.NaN : 0;
  for (const [thread, ran] of threadTimes(pid)) ranFor += ran - (before.get(thread) ?? 0);
  return ranFor / 1e6;
}

/** "time spent on the cpu (in nanoseconds)", first of three (Linux, Documentation/scheduler/sched-stats.rst). */
const ranNs = (pid: number, thread: string) => Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);

/** A process's only child; -1 where it has none or the system does not tell. */
export function childOf(pid: number): number {
  try {
    // Children stand with the thread that has started them.
    const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).trim().split(" "));
    return Number(children.find((child) => child !== "") ?? -1);
  } catch {
    return -1;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
