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
