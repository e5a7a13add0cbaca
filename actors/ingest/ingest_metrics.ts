import type { Clock } from "../../runtime/clock.ts";
import { NO_TRACER, type Tracer, traced } from "../../telemetry/tracing.ts";
import type { ParsedDocument } from "../document_store/document_record.ts";
import type { JobRecord } from "../document_store/job_record.ts";

export interface IngestMetrics {
  documents(outcome: "indexed" | "unchanged" | "skipped" | "failed" | "deleted", count: number): void;
  chunks(count: number): void;
  /** Jobs that wait or run on this node now. */
  openJobs(count: number): void;
  jobFinished(job: { readonly id: string; readonly status: string }, durationMs: number): void;
  /** `prepare` (parse, chunk, embed), `store`, `index`, `optimize`. */
  step(step: string, durationMs: number): void;
}

/** What became of documents that were prepared. */
export interface Outcomes {
  readonly indexed: number;
  readonly skipped: number;
  readonly failed: number;
  readonly chunks: number;
}

export function outcomesOf(parsed: readonly ParsedDocument[]): Outcomes {
  const outcomes = { indexed: 0, skipped: 0, failed: 0, chunks: 0 };
  for (const document of parsed) {
    outcomes.chunks += document.chunks.length;
    outcomes[document.failure !== null ? "failed" : document.chunks.length === 0 ? "skipped" : "indexed"] += 1;
  }
  return outcomes;
}

export function countOutcomes(metrics: IngestMetrics, { chunks, ...outcomes }: Outcomes): void {
  for (const outcome of ["indexed", "skipped", "failed"] as const) if (outcomes[outcome] > 0) metrics.documents(outcome, outcomes[outcome]);
  metrics.chunks(chunks);
}

export function noteFinished(metrics: IngestMetrics, job: JobRecord): void {
  metrics.jobFinished(job, (job.finishedAtMs ?? job.createdAtMs) - job.createdAtMs);
}

export async function timed<Result>(
  { metrics, clock, tracer = NO_TRACER }: { readonly metrics: IngestMetrics; readonly clock: Clock; readonly tracer?: Tracer },
  step: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const startedMs = clock.monotonicMs();
  const result = await traced(tracer, { name: `ingest ${step}` }, work);
  metrics.step(step, clock.monotonicMs() - startedMs);
  return result;
}
