import type { Span, Tracer } from "../../telemetry/tracing.ts";

/** Which request has asked for a job, for the spans and the log lines of whoever works on it. */
export interface JobOrigin {
  /** W3C; its trace is sampled. */
  readonly traceparent: string;
  readonly requestId: string;
}

/** Jobs whose origin is known; of more the oldest is forgotten, whose rounds are not traced then. */
const MAX_JOBS = 1_000;
/** Rounds of one job that are traced on one node: of a long job the first ones show what a round costs. */
const MAX_ROUNDS = 16;

/** The request that this code runs for; null: it is not traced. */
export function originOf(tracer: Tracer): JobOrigin | null {
  const span = tracer.active();
  return span === null ? null : { traceparent: span.traceparent, requestId: span.logFields.requestId ?? "" };
}

/** The rounds of jobs as parts of the traces of the requests that have asked for them, on whichever node they run. */
export class JobTraces {
  readonly #tracer: Tracer;
  readonly #jobs = new Map<string, { readonly origin: JobOrigin; rounds: number }>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  note(jobId: string, origin: JobOrigin | null): void {
    if (origin === null || !this.#tracer.isOn || this.#jobs.has(jobId)) return;
    this.#jobs.set(jobId, { origin, rounds: 0 });
    if (this.#jobs.size > MAX_JOBS) this.#jobs.delete(this.#jobs.keys().next().value as string);
  }

  forget(jobId: string): void {
    this.#jobs.delete(jobId);
  }

  /** Runs a round of the job under a span of its own, which says what it came to. */
  async round<Result>(jobId: string, collection: string, work: () => Promise<Result>): Promise<Result> {
    const span = this.#begin(jobId, collection);
    if (span === null) return work();
    try {
      const result = await this.#tracer.within(span, work);
      span.end();
      return result;
    } catch (thrown) {
      span.end(thrown);
      throw thrown;
    }
  }

  #begin(jobId: string, collection: string): Span | null {
    const job = this.#jobs.get(jobId);
    if (job === undefined || job.rounds >= MAX_ROUNDS) return null;
    job.rounds += 1;
    const attributes = { "kennel.job.id": jobId, "kennel.collection": collection, "kennel.ingest.round": job.rounds };
    return this.#tracer.resume(job.origin.traceparent, job.origin.requestId, { name: "ingest round", attributes });
  }
}
