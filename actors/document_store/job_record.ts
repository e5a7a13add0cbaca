import type { ReindexOutcome } from "./index_version.ts";

export const JOB_STATUSES = ["queued", "running", "completed", "failed", "cancelled"] as const;

export type JobStatus = (typeof JOB_STATUSES)[number];

export interface JobCounts {
  readonly total: number;
  readonly indexed: number;
  readonly unchanged: number;
  readonly skipped: number;
  readonly failed: number;
  readonly chunks: number;
}

export interface JobRecord {
  readonly id: string;
  readonly collection: string;
  readonly kind: "ingest" | "reindex";
  readonly status: JobStatus;
  readonly counts: JobCounts;
  /** The first 100 documents that failed and why. */
  readonly failures: readonly { readonly documentId: string; readonly message: string }[];
  /** The collection's index version that holds all of the job; null until it has completed. */
  readonly indexVersion: number | null;
  /** Of a reindex that has completed; else null. */
  readonly outcome: ReindexOutcome | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
}
