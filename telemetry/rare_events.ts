import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "./logs.ts";

/** Between two lines of one event: what a stranger sends can't fill the log. */
const QUIET_MS = 60_000;

/**
 * Counts what should be rare, and tells the log: at once, then once a minute at most, with how often it has been since.
 * @param sentences by event; what is not among them is only counted
 * @returns to be called with each event
 */
export function rareEvents<Event extends string>(
  sentences: Readonly<Record<Event, string>>,
  count: (event: string) => void,
  logger: Logger,
  clock: Pick<Clock, "monotonicMs">,
): (event: string) => void {
  const told = new Map<string, { atMs: number; times: number }>();
  return (event) => {
    count(event);
    if (!Object.hasOwn(sentences, event)) return;
    const nowMs = clock.monotonicMs();
    const last = told.get(event);
    const times = (last?.times ?? 0) + 1;
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
      last.times = times;
      return;
    }
    told.set(event, { atMs: nowMs, times: 0 });
    logger.warn({ event, times }, sentences[event as Event]);
  };
}
