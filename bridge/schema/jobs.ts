import { z } from "zod";
import { JOB_STATUSES, type JobRecord } from "../../actors/document_store/document_store.ts";
import { isoTime, isoTimeOrNull } from "./times.ts";

export const jobSchema = z
  .object({
    object: z.literal("job"),
    id: z.string(),
    collection: z.string(),
    kind: z.enum(["ingest", "reindex"]),
    status: z.enum(JOB_STATUSES),
    counts: z
      .object({ total: z.int(), indexed: z.int(), unchanged: z.int(), skipped: z.int(), failed: z.int(), chunks: z.int() })
      .describe("Documents, except chunks"),
    failures: z.array(z.object({ document_id: z.string(), message: z.string() })).describe("The first 100"),
    index_version: z.int().nullable().describe("Holds all of the job; null until it has completed. Give it as min_version to search it"),
    created_at: z.iso.datetime(),
    started_at: z.iso.datetime().nullable(),
    finished_at: z.iso.datetime().nullable(),
  })
  .meta({ id: "Job" });

export type WireJob = z.output<typeof jobSchema>;

export function fromJob(job: JobRecord): WireJob {
  return {
    object: "job",
    id: job.id,
    collection: job.collection,
    kind: job.kind,
    status: job.status,
    counts: { ...job.counts },
    failures: job.failures.map(({ documentId, message }) => ({ document_id: documentId, message })),
    index_version: job.indexVersion,
    created_at: isoTime(job.createdAtMs),
    started_at: isoTimeOrNull(job.startedAtMs),
    finished_at: isoTimeOrNull(job.finishedAtMs),
  };
}
