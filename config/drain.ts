import type { Config } from "./schema.ts";

/** Refusals before the listener closes, files and threads that close: none of them waits for anybody else. */
const CLOSING_MS = 5_000;

/**
 * The longest time from SIGTERM to the end of the process. One grace in which what arrives is served; then the limit up to three
 * times: for requests that are open, for their connections, and for the actors. Whatever kills a node that does not end must wait
 * longer; what is usual is the grace and some tens of milliseconds.
 */
export function longestDrainMs({ drain }: Pick<Config, "drain">): number {
  return drain.graceMs + 3 * drain.limitMs + CLOSING_MS;
}
