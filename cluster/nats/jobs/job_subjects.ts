import { z } from "zod";
import type { QueuedJob } from "../../../actors/ingest/sharing/job_queue.ts";
import { SUBJECT_ROOT } from "../../../transport/nats/subjects.ts";

// Of a job: `stores` is what nodes say of the stores that they share, `collection` and `job` are one token each. No query
// has one of these subjects.

/** All that the work queue keeps; a query's subject is never among them. */
export const WORK_SUBJECTS = `${SUBJECT_ROOT}.work.ingest.>`;
/** All that is kept of jobs that were given up. */
export const DEAD_SUBJECTS = `${SUBJECT_ROOT}.dead.ingest.>`;

/** What one cluster's nodes take; the collection and the job are at its end. */
export const worksOf = (stores: string) => `${SUBJECT_ROOT}.work.ingest.${stores}.>`;
export const workSubject = (stores: string, collection: string, job: string) =>
  `${SUBJECT_ROOT}.work.ingest.${stores}.${collection}.${job}`;
export const deadSubject = (stores: string, collection: string, job: string) =>
  `${SUBJECT_ROOT}.dead.ingest.${stores}.${collection}.${job}`;
/** Where a job's progress is told; nobody keeps it. */
export const progressSubject = (collection: string, job: string) => `${SUBJECT_ROOT}.events.ingest.${collection}.${job}`;

const token = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
/** A version before this one does not write it; one that makes no sense is left out, and costs no job anything. */
const wireOrigin = z
  .object({
    traceparent: z.string().regex(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/),
    request_id: z.string().max(256),
  })
  .optional()
  .catch(undefined);
const wireJob = z.object({ job: token, collection: token, origin: wireOrigin });
const MAX_CHARACTERS = 1_024;

/** The queue carries ids alone: of the job, and of the request that has asked for it where that is traced. */
export function encodeJob({ id, collection, origin }: QueuedJob): string {
  const said = origin === undefined || origin === null ? {} : { origin: { traceparent: origin.traceparent, request_id: origin.requestId } };
  const wire: z.input<typeof wireJob> = { job: id, collection, ...said };
  return JSON.stringify(wire);
}

/** Null: not what `encodeJob` writes. */
export function parseJob(text: string): QueuedJob | null {
  if (text.length > MAX_CHARACTERS) return null;
  try {
    const { data } = wireJob.safeParse(JSON.parse(text));
    if (data === undefined) return null;
    const { job, collection, origin } = data;
    const said = origin === undefined ? {} : { origin: { traceparent: origin.traceparent, requestId: origin.request_id } };
    return { id: job, collection, ...said };
  } catch {
    return null;
  }
}
