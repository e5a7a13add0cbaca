import { z } from "zod";
import type { BuildComparison, ReindexOutcome } from "../../actors/document_store/index_version.ts";
import { JOB_STATUSES, type JobRecord } from "../../actors/document_store/job_record.ts";
import { isoTime, isoTimeOrNull } from "./times.ts";

const differenceSchema = z.object({ mean: z.number(), low: z.number(), high: z.number() });

const comparisonSchema = z
  .object({
    basis: z.enum(["judged", "recent"]).describe("judged: questions with what is relevant to them; recent: what was asked most of late"),
    queries: z.int().describe("Questions that both builds have answered"),
    failed: z.int().describe("Questions that could not be compared"),
    ndcg_10: z
      .object({ before: z.number(), after: z.number(), difference: differenceSchema.describe("With its 95 % bootstrap interval") })
      .nullable()
      .describe("Means over the questions; null where nothing is judged"),
    overlap_10: z.number().describe("Mean share of the first ten documents that both have"),
    rank_biased_overlap: z.number().describe("Mean of RBO with p = 0.9 over the first ten documents"),
    score_shift: z.number().nullable().describe("Mean change of the score of documents that both have among the first ten"),
    emptied: z.int().describe("Questions that had hits before and have none now"),
    is_worse: z.boolean(),
  })
  .meta({ id: "BuildComparison", description: "How the new build answers the same questions as the one before" });

const outcomeSchema = z
  .object({
    decision: z.enum(["switched", "held"]).describe("held: it is complete and kept up, and searches go to the one before"),
    reason: z.enum(["always", "manual", "not_worse", "worse", "nothing_to_compare"]),
    comparison: comparisonSchema.nullable().describe("null: nothing was compared"),
  })
  .meta({ id: "ReindexOutcome" });

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
    outcome: outcomeSchema.nullable().describe("What became of the build of a reindex; null until it has completed"),
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
    outcome: job.outcome === null ? null : fromOutcome(job.outcome),
    created_at: isoTime(job.createdAtMs),
    started_at: isoTimeOrNull(job.startedAtMs),
    finished_at: isoTimeOrNull(job.finishedAtMs),
  };
}

function fromOutcome({ decision, reason, comparison }: ReindexOutcome): z.output<typeof outcomeSchema> {
  return { decision, reason, comparison: comparison === null ? null : fromComparison(comparison) };
}

function fromComparison(comparison: BuildComparison): z.output<typeof comparisonSchema> {
  const { basis, queries, failed, ndcg10, overlap10, rankBiasedOverlap, scoreShift, emptied, isWorse } = comparison;
  return {
    basis,
    queries,
    failed,
    ndcg_10: ndcg10,
    overlap_10: overlap10,
    rank_biased_overlap: rankBiasedOverlap,
    score_shift: scoreShift,
    emptied,
    is_worse: isWorse,
  };
}
