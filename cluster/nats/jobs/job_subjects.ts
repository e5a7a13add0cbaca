import { z } from "zod";
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
const wireJob = z.object({ job: token, collection: token });
const MAX_CHARACTERS = 1_024;

/** The queue carries ids alone. */
export function encodeJob(job: { readonly id: string; readonly collection: string }): string {
  const wire: z.input<typeof wireJob> = { job: job.id, collection: job.collection };
  return JSON.stringify(wire);
}

/** Null: not what `encodeJob` writes. */
export function parseJob(text: string): { readonly id: string; readonly collection: string } | null {
  if (text.length > MAX_CHARACTERS) return null;
  try {
    const { data } = wireJob.safeParse(JSON.parse(text));
    return data === undefined ? null : { id: data.job, collection: data.collection };
  } catch {
    return null;
  }
}
