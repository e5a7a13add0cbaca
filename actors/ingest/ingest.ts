import type { Timer } from "../../runtime/clock.ts";
import { type KennelError, kennelError, neverReached, toKennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { ActorContext, Behavior, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { BuildSettings, CollectionRecord, JobRecord, ReindexPlan } from "../document_store/document_store.ts";
import type { ForeignCollections } from "../vector_store/adoption.ts";
import type { AcceptLimits } from "./accept.ts";
import { Indexing, type IndexingParts } from "./indexing.ts";
import { putOff } from "./job_backoff.ts";
import type { AcceptMessage, IngestMessage, ReindexMessage, Work } from "./messages.ts";
import { Schedule } from "./schedule.ts";

// Invariants:
//   J1. A job is told to the caller after it is on disk, and goes on whether or not the caller is still there.
//   J2. An outage never fails a document: its job waits, longer each time, and goes on when the store is back.
//   J3. At the start every open job and every removal that was begun is taken up again.

export interface IngestOptions extends Omit<IndexingParts, "beginRepair"> {
  readonly accept: AcceptLimits;
  /** Jobs that wait or run; one more is refused with `overloaded`. */
  readonly maxOpenJobs: number;
  /** Bytes of documents that are on their way to the disk; more are refused with `overloaded`. */
  readonly maxAcceptingBytes: number;
  /** Collections that are worked on at once. */
  readonly maxParallel: number;
  /** Collections of others that may be adopted; null: the vector store has none. */
  readonly foreign: ForeignCollections | null;
  readonly random: Random;
}

interface Queued {
  readonly run: (context: ActorContext<IngestMessage>) => void;
}

export interface IngestState {
  readonly indexing: Indexing;
  readonly schedule: Schedule<Queued>;
  acceptingBytes: number;
  jobsMade: number;
  wake: Timer | null;
}

const MAX_REMOVALS_AT_START = 10_000;

/** The actor that keeps both stores in step: it takes documents in, works off jobs, and removes what must go. */
export function ingestBehavior(options: IngestOptions): Behavior<IngestState, IngestMessage> {
  return {
    async start(context) {
      const state: IngestState = {
        indexing: new Indexing({ ...options, beginRepair: (record, signal) => beginRepair(options, record, context, signal) }),
        schedule: new Schedule<Queued>(options.maxParallel),
        acceptingBytes: 0,
        jobsMade: 0,
        wake: null,
      };
      await takeUp(options, state, context);
      options.metrics.openJobs(state.schedule.openJobs);
      return state;
    },
    receive(state, message, context) {
      handle(options, state, message, context);
      advance(state, context);
      options.metrics.openJobs(state.schedule.openJobs);
      return state;
    },
    stop(state) {
      state.wake?.cancel();
    },
  };
}

/** J3 */
async function takeUp(options: IngestOptions, state: IngestState, context: ActorContext<IngestMessage>): Promise<void> {
  for (const job of await options.documents.openJobs(context.stopping)) {
    state.schedule.addJob(job.id, job.collection);
    state.indexing.noteUnknown(job.collection);
  }
  const leaving = await options.documents.deletingDocuments(MAX_REMOVALS_AT_START, context.stopping);
  for (const [collection, entries] of Map.groupBy(leaving, (entry) => entry.collection)) {
    const ids = entries.map((entry) => entry.id);
    queueWork(state, collection, (indexing, signal) => indexing.finishRemovals(collection, ids, signal), null);
  }
  if (state.schedule.openJobs > 0 || leaving.length > 0) {
    options.logger.info({ jobs: state.schedule.openJobs, removals: leaving.length }, "Taking up what was left open");
    context.self.tell({ kind: "wake" }, { lane: "control" });
  }
}

function handle(options: IngestOptions, state: IngestState, message: IngestMessage, context: ActorContext<IngestMessage>): void {
  switch (message.kind) {
    case "accept":
      accept(options, state, message, context);
      break;
    case "reindex":
      reindex(options, state, message, context);
      break;
    case "accepted":
      state.acceptingBytes -= message.bytes;
      if (message.outcome.ok) state.schedule.addJob(message.outcome.value.id, message.outcome.value.collection);
      settle(message.ask, message.outcome);
      break;
    case "exclusive":
      queueWork(state, message.collection, message.work, context.pendingAsk);
      break;
    case "exclusive_ended":
      state.schedule.end(message.collection);
      settle(message.ask, message.outcome);
      break;
    case "cancel":
      cancel(options, state, message.jobId, context);
      break;
    case "cancelled":
      state.schedule.end(message.collection);
      if (message.outcome.ok) state.schedule.removeJob(message.jobId);
      else reopen(state, message.jobId);
      settle(message.ask, message.outcome);
      break;
    case "round_ended":
      state.schedule.end(message.collection);
      endRound(options, state, message.jobId, message.outcome, context);
      break;
    case "job_failed":
      if (message.outcome.ok || message.outcome.error.code === "not_found") state.schedule.removeJob(message.jobId);
      else retryLater(options, state, message.jobId, message.outcome.error, context);
      break;
    case "changed_collections":
      context.pendingAsk?.reply(state.indexing.changedCollections);
      break;
    case "wake":
      break;
    default:
      neverReached(message);
  }
}

/** Starts what can start, and sets a timer for what can later. */
function advance(state: IngestState, context: ActorContext<IngestMessage>): void {
  for (;;) {
    const step = state.schedule.next(context.clock.monotonicMs());
    if (step.kind === "round") startRound(state, step.job.id, step.job.collection, context);
    else if (step.kind === "exclusive") step.exclusive.work.run(context);
    else {
      state.wake?.cancel();
      const wake = () => void context.self.tell({ kind: "wake" }, { lane: "control" });
      state.wake = step.waitMs === null ? null : context.clock.setTimer(step.waitMs, wake);
      return;
    }
  }
}

function accept(options: IngestOptions, state: IngestState, message: AcceptMessage, context: ActorContext<IngestMessage>): void {
  const ask = context.pendingAsk;
  const isFull = state.schedule.openJobs >= options.maxOpenJobs;
  const isBeyond = state.acceptingBytes > 0 && state.acceptingBytes + message.bytes > options.maxAcceptingBytes;
  if (isFull || isBeyond) {
    const what = isFull ? `${options.maxOpenJobs} jobs are open` : "too many documents are on their way to the disk";
    ask?.fail(kennelError("overloaded", { message: `Cannot take more documents now: ${what}`, retryAfterMs: 2000 }));
    return;
  }
  state.acceptingBytes += message.bytes;
  state.jobsMade += 1;
  const jobId = newJobId(options, state.jobsMade);
  const { collection, documents, inferred, bytes } = message;
  // J1: the work follows the actor's life, not the asker's.
  context.pipe(
    async (signal) => {
      const job = await options.documents.acceptDocuments(collection, jobId, documents, inferred, signal);
      await options.catalog.refresh(collection, signal);
      return job;
    },
    (outcome) => ({ kind: "accepted", bytes, ask, outcome }),
  );
}

/** J1 */
function reindex(
  options: IngestOptions,
  state: IngestState,
  { collection, build, plan }: ReindexMessage,
  context: ActorContext<IngestMessage>,
): void {
  const ask = context.pendingAsk;
  if (state.schedule.openJobs >= options.maxOpenJobs) {
    const message = `No more jobs now: ${state.schedule.openJobs} are open, as many as may be`;
    ask?.fail(kennelError("overloaded", { message, retryAfterMs: 2000 }));
    return;
  }
  context.pipe(
    (signal) => makeReindex(options, collection, build, plan, signal),
    (outcome) => ({ kind: "accepted", bytes: 0, ask, outcome }),
  );
}

/** Whoever finds an index lost waits for its repair to be on disk; one that another has begun serves as well. */
async function beginRepair(
  options: IngestOptions,
  record: CollectionRecord,
  context: ActorContext<IngestMessage>,
  signal: AbortSignal,
): Promise<void> {
  const { language, embedding, chunking } = record.settings;
  try {
    const job = await makeReindex(options, record.name, { language, embedding, chunking }, null, signal);
    options.logger.warn({ collection: record.name, job: job.id }, "An index was lost and is built anew");
    context.self.tell({ kind: "accepted", bytes: 0, ask: null, outcome: { ok: true, value: job } }, { lane: "control" });
  } catch (thrown) {
    if (toKennelError(thrown).code !== "conflict") throw thrown;
    await options.catalog.refresh(record.name, signal);
  }
}

async function makeReindex(
  options: IngestOptions,
  collection: string,
  build: BuildSettings,
  /** Null: it repairs. */
  plan: ReindexPlan | null,
  signal: AbortSignal,
): Promise<JobRecord> {
  const job = await options.documents.beginReindex(collection, newJobId(options, 0), build, plan, plan === null, signal);
  await options.catalog.refresh(collection, signal);
  return job;
}

function queueWork(state: IngestState, collection: string, work: Work, ask: PendingAsk | null): void {
  const run = (context: ActorContext<IngestMessage>) => {
    const attempt = (signal: AbortSignal) => work(state.indexing, signal);
    const toMessage = (outcome: Outcome<unknown>): IngestMessage => ({ kind: "exclusive_ended", collection, ask, outcome });
    if (ask === null) context.pipe(attempt, toMessage);
    else context.pipe(attempt, toMessage, ask);
  };
  state.schedule.addExclusive({ collection, work: { run } });
}

/** Waits for the batch that runs, so that no document of the job is left between the stores. */
function cancel(options: IngestOptions, state: IngestState, jobId: string, context: ActorContext<IngestMessage>): void {
  const ask = context.pendingAsk;
  const job = state.schedule.job(jobId);
  if (job !== null) job.isCancelled = true;
  const collection = job?.collection ?? `job ${jobId}`; // a job that is not open here only needs the store's answer
  const run = (running: ActorContext<IngestMessage>) =>
    running.pipe(
      async (signal) => {
        const isCancelled = await options.documents.cancelJob(jobId, signal);
        if (job !== null) await options.catalog.refresh(job.collection, signal); // a build may have gone with it
        return isCancelled;
      },
      (outcome) => ({ kind: "cancelled", jobId, collection, ask, outcome }),
    );
  state.schedule.addExclusive({ collection, work: { run } });
}

function reopen(state: IngestState, jobId: string): void {
  const job = state.schedule.job(jobId);
  if (job !== null) job.isCancelled = false;
}

function startRound(state: IngestState, jobId: string, collection: string, context: ActorContext<IngestMessage>): void {
  const shouldStop = () => state.schedule.job(jobId)?.isCancelled ?? true;
  context.pipe(
    (signal) => state.indexing.runRound(jobId, collection, shouldStop, signal),
    (outcome) => ({ kind: "round_ended", jobId, collection, outcome }),
  );
}

function endRound(
  options: IngestOptions,
  state: IngestState,
  jobId: string,
  outcome: Outcome<{ readonly isFinished: boolean }>,
  context: ActorContext<IngestMessage>,
): void {
  const job = state.schedule.job(jobId);
  if (outcome.ok) {
    if (outcome.value.isFinished) state.schedule.removeJob(jobId);
    else if (job !== null) job.failures = job.faults = 0;
    return;
  }
  // Its collection was deleted.
  if (outcome.error.code === "not_found") state.schedule.removeJob(jobId);
  else retryLater(options, state, jobId, outcome.error, context);
}

/** J2 */
function retryLater(
  options: IngestOptions,
  state: IngestState,
  jobId: string,
  error: KennelError,
  context: ActorContext<IngestMessage>,
): void {
  const job = state.schedule.job(jobId);
  if (job === null) return;
  const isGivenUp = putOff(job, error, context.clock.monotonicMs(), options.random);
  options.logger.warn({ job: jobId, collection: job.collection, failures: job.failures, err: error }, "A job waits after a failed step");
  if (!isGivenUp) return;
  context.pipe(
    async (signal) => {
      const failed = await options.documents.finishJob(jobId, "failed", signal);
      await options.catalog.refresh(job.collection, signal);
      return failed;
    },
    (outcome) => ({ kind: "job_failed", jobId, outcome }),
  );
}

function settle(ask: PendingAsk | null, outcome: Outcome<unknown>): void {
  if (outcome.ok) ask?.reply(outcome.value);
  else ask?.fail(outcome.error);
}

/** Sorts by time; the number and the random part keep two of one millisecond apart. */
function newJobId(options: IngestOptions, made: number): string {
  const random = Math.floor(options.random.next() * 2 ** 40).toString(36);
  return `job_${options.clock.wallMs().toString(36)}${made.toString(36).padStart(3, "0")}${random.padStart(8, "0")}`;
}
