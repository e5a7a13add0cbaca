import type { KennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { OpenJob } from "./schedule.ts";

/** What a job waits out, however often: none of these is the job's fault. */
const OUTAGES: readonly string[] = ["unavailable", "overloaded", "deadline_exceeded", "storage_full", "draining", "cancelled"];
const BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
/** Before a collection is tried again that another node works on: about the time of a batch. */
const ELSEWHERE_MS = 200;
/** Rounds in a row that fail for no outage's reason before the job is given up. */
const MAX_FAULTS = 5;

/**
 * Notes that a job's round has failed and when it may have its next: after half of a doubling time and a random part of
 * the other half, so that jobs do not come back in step, but not before the time that the error names.
 * @returns whether the job is to be given up
 */
export function putOff(job: OpenJob, error: KennelError, nowMs: number, random: Random): boolean {
  job.failures += 1;
  if (!OUTAGES.includes(error.code)) job.faults += 1;
  const fullMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(job.failures - 1, 20));
  job.notBeforeMs = nowMs + Math.max(fullMs / 2 + (fullMs / 2) * random.next(), error.retryAfterMs ?? 0);
  return job.faults >= MAX_FAULTS;
}

/** Another node works on the job's collection: no failure. */
export function waitForOthers(job: OpenJob, nowMs: number, random: Random): void {
  job.notBeforeMs = nowMs + ELSEWHERE_MS * (0.5 + random.next());
}
