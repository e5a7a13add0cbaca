import type { KennelError } from "../../runtime/errors.ts";
import type { ActorContext, Outcome } from "../../supervisor/kernel/behavior.ts";
import type { JobRecord } from "../document_store/job_record.ts";
import type { IngestOptions, IngestState } from "./ingest_state.ts";
import { putOff, waitForOthers } from "./job_backoff.ts";
import type { JobOrigin } from "./job_traces.ts";
import type { IngestMessage, JudgedMessage, RoundResult } from "./messages.ts";
import type { OpenJob } from "./schedule.ts";
import type { TakenJob } from "./sharing/shared_jobs.ts";

/** J4 */
export function begin(options: IngestOptions, state: IngestState, job: JobRecord, origin: JobOrigin | null): void {
  if (options.shared !== null) return void options.shared.offer(job, origin);
  state.traces.note(job.id, origin);
  state.schedule.addJob(job.id, job.collection);
}

export function take(options: IngestOptions, state: IngestState, job: TakenJob, context: ActorContext<IngestMessage>): void {
  state.traces.note(job.id, job.origin ?? null);
  state.schedule.addJob(job.id, job.collection);
  if (job.isInherited) state.indexing.noteUnknown(job.collection);
  if (job.giveUp !== null) giveUp(options, state, job.id, job.giveUp, context);
}

/** A job whose round runs is given back when that has ended. */
export function handBack(options: IngestOptions, state: IngestState): void {
  for (const { id, isRunning } of state.schedule.removeJobs()) if (!isRunning) options.shared?.givenBack(id);
}

/** The job needs no more work. */
export function end(options: IngestOptions, state: IngestState, jobId: string): void {
  state.schedule.removeJob(jobId);
  state.traces.forget(jobId);
  options.shared?.ended(jobId);
}

export function startRound(
  options: IngestOptions,
  state: IngestState,
  { id, collection }: OpenJob,
  context: ActorContext<IngestMessage>,
): void {
  const { shared } = options;
  const shouldStop = () => state.schedule.job(id)?.isCancelled ?? true;
  const round = (signal: AbortSignal): Promise<RoundResult> =>
    state.traces.round(id, collection, () => state.indexing.runRound(id, collection, shouldStop, signal));
  context.pipe(
    async (signal) => (shared === null ? round(signal) : ((await shared.withCollection(collection, false, signal, round)) ?? "elsewhere")),
    (outcome) => ({ kind: "round_ended", jobId: id, collection, outcome }),
  );
}

export function endRound(
  options: IngestOptions,
  state: IngestState,
  jobId: string,
  outcome: Outcome<RoundResult>,
  context: ActorContext<IngestMessage>,
): void {
  const job = state.schedule.job(jobId);
  const isFinished = outcome.ok && outcome.value !== "elsewhere" && outcome.value.isFinished;
  const isGone = !outcome.ok && outcome.error.code === "not_found"; // its collection was deleted
  if (isFinished || isGone) end(options, state, jobId);
  else if (job === null) options.shared?.givenBack(jobId);
  else if (!outcome.ok) retryLater(options, state, jobId, outcome.error, context);
  else if (outcome.value === "elsewhere") waitForOthers(job, context.clock.monotonicMs(), options.random);
  else {
    options.shared?.progressed(jobId);
    job.failures = job.faults = 0;
  }
}

/** J2 */
export function retryLater(
  options: IngestOptions,
  state: IngestState,
  jobId: string,
  error: KennelError,
  context: ActorContext<IngestMessage>,
): void {
  const job = state.schedule.job(jobId);
  if (job === null) return;
  const before = job.faults;
  const isGivenUp = putOff(job, error, context.clock.monotonicMs(), options.random);
  options.logger.warn({ job: jobId, collection: job.collection, failures: job.failures, err: error }, "A job waits after a failed step");
  const { shared } = options;
  if (isGivenUp) giveUp(options, state, jobId, `${error.code}: ${error.message}`, context);
  else if (shared !== null && job.faults > before) {
    job.isCancelled = true; // no further round before it is known what becomes of it
    context.pipe(
      () => shared.judge(jobId, job.faults, error),
      (outcome) => ({ kind: "judged", jobId, outcome }),
    );
  }
}

export function judged(
  options: IngestOptions,
  state: IngestState,
  { jobId, outcome }: JudgedMessage,
  context: ActorContext<IngestMessage>,
): void {
  const job = state.schedule.job(jobId);
  if (job === null) return;
  job.isCancelled = false;
  if (!outcome.ok || outcome.value.kind === "again") return;
  if (outcome.value.kind === "returned") state.schedule.removeJob(jobId);
  else giveUp(options, state, jobId, outcome.value.reason, context);
}

function giveUp(options: IngestOptions, state: IngestState, jobId: string, reason: string, context: ActorContext<IngestMessage>): void {
  const job = state.schedule.job(jobId);
  if (job === null) return;
  job.isCancelled = true; // no further round
  context.pipe(
    async (signal) => {
      const failed = await options.documents.finishJob(jobId, "failed", reason, signal);
      await options.catalog.refresh(job.collection, signal);
      return failed;
    },
    (outcome) => ({ kind: "job_failed", jobId, outcome }),
  );
}
