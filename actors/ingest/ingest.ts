import type { Timer } from "../../runtime/clock.ts";
import { type KennelError, kennelError, neverReached } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import type { ActorContext, ActorRef, Asks, Behavior, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { CollectionRecord, JobRecord, SourceDocument } from "../document_store/document_store.ts";
import type { AttributeType, Filter } from "../vector_store/filter.ts";
import { type AcceptLimits, checkDocuments, type IncomingDocument } from "./accept.ts";
import { Indexing, type IndexingParts } from "./indexing.ts";
import { expandJsonLines } from "./json_lines.ts";
import { Schedule } from "./schedule.ts";

// Invariants:
//   J1. A job is told to the caller after it is on disk, and goes on whether or not the caller is still there.
//   J2. An outage never fails a document: its job waits, longer each time, and goes on when the store is back.
//   J3. At the start every open job and every removal that was begun is taken up again.

export interface IngestOptions extends IndexingParts {
  readonly accept: AcceptLimits;
  /** Jobs that wait or run; one more is refused with `overloaded`. */
  readonly maxOpenJobs: number;
  /** Bytes of documents that are on their way to the disk; more are refused with `overloaded`. */
  readonly maxAcceptingBytes: number;
  /** Collections that are worked on at once. */
  readonly maxParallel: number;
  readonly random: Random;
  readonly logger: Logger;
}

type Work = (indexing: Indexing, signal: AbortSignal) => Promise<unknown>;

interface AcceptMessage extends Asks<JobRecord> {
  readonly kind: "accept";
  readonly collection: string;
  readonly documents: readonly SourceDocument[];
  readonly inferred: Readonly<Record<string, AttributeType>>;
  readonly bytes: number;
}

/** Work that must have its collection for itself. */
interface ExclusiveMessage extends Asks<unknown> {
  readonly kind: "exclusive";
  readonly collection: string;
  readonly work: Work;
}

interface CancelMessage extends Asks<boolean> {
  readonly kind: "cancel";
  readonly jobId: string;
}

interface ChangedMessage extends Asks<readonly string[]> {
  readonly kind: "changed_collections";
}

export type IngestMessage =
  | AcceptMessage
  | ExclusiveMessage
  | CancelMessage
  | ChangedMessage
  | { readonly kind: "accepted"; readonly bytes: number; readonly ask: PendingAsk | null; readonly outcome: Outcome<JobRecord> }
  | {
      readonly kind: "round_ended";
      readonly jobId: string;
      readonly collection: string;
      readonly outcome: Outcome<{ readonly isFinished: boolean }>;
    }
  | { readonly kind: "exclusive_ended"; readonly collection: string; readonly ask: PendingAsk | null; readonly outcome: Outcome<unknown> }
  | {
      readonly kind: "cancelled";
      readonly jobId: string;
      readonly collection: string;
      readonly ask: PendingAsk | null;
      readonly outcome: Outcome<boolean>;
    }
  | { readonly kind: "job_failed"; readonly jobId: string; readonly outcome: Outcome<JobRecord> }
  | { readonly kind: "wake" };

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

const OUTAGES: readonly string[] = ["unavailable", "overloaded", "deadline_exceeded", "storage_full", "draining", "cancelled"];
const BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
/** Rounds in a row that fail for no outage's reason before the job is given up. */
const MAX_FAULTS = 5;
const MAX_REMOVALS_AT_START = 10_000;

/** The actor that keeps both stores in step: it takes documents in, works off jobs, and removes what must go. */
export function ingestBehavior(options: IngestOptions): Behavior<IngestState, IngestMessage> {
  return {
    async start(context) {
      const state: IngestState = {
        indexing: new Indexing(options),
        schedule: new Schedule<Queued>(options.maxParallel),
        acceptingBytes: 0,
        jobsMade: 0,
        wake: null,
      };
      await takeUp(options, state, context);
      return state;
    },
    receive(state, message, context) {
      handle(options, state, message, context);
      advance(state, context);
      return state;
    },
    stop(state) {
      state.wake?.cancel();
    },
  };
}

/** J3 */
async function takeUp(options: IngestOptions, state: IngestState, context: ActorContext<IngestMessage>): Promise<void> {
  for (const job of await options.documents.openJobs(context.stopping)) state.schedule.addJob(job.id, job.collection);
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
      (signal) => options.documents.cancelJob(jobId, signal),
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
  job.failures += 1;
  if (!OUTAGES.includes(error.code)) job.faults += 1;
  const fullMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(job.failures - 1, 20));
  job.notBeforeMs = context.clock.monotonicMs() + Math.max(fullMs / 2 + (fullMs / 2) * options.random.next(), error.retryAfterMs ?? 0);
  options.logger.warn({ job: jobId, collection: job.collection, failures: job.failures, err: error }, "A job waits after a failed step");
  if (job.faults < MAX_FAULTS) return;
  context.pipe(
    (signal) => options.documents.finishJob(jobId, "failed", signal),
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

/** What others ask of ingest; every method rejects with a `KennelError`. */
export interface IngestService {
  /** Resolves once the documents are on disk; they are searchable when the job has completed. */
  accept(collection: string, documents: readonly IncomingDocument[], signal: AbortSignal): Promise<JobRecord>;
  /** From both stores. @returns how many there were */
  deleteDocuments(collection: string, ids: readonly string[], signal: AbortSignal): Promise<number>;
  /** @returns how many matched */
  deleteMatching(collection: string, filter: Filter, signal: AbortSignal): Promise<number>;
  /** False: the job was not open any more. */
  cancel(jobId: string, signal: AbortSignal): Promise<boolean>;
  /** Drops a collection's index after everything that runs on it has ended. */
  dropIndex(record: CollectionRecord, signal: AbortSignal): Promise<void>;
  /** At most `limit` documents last changed before `beforeMs`. @returns how many were removed */
  removeExpired(collection: string, beforeMs: number, limit: number, signal: AbortSignal): Promise<number>;
  /** Ends removals that an outage has interrupted. */
  finishRemovals(collection: string, ids: readonly string[], signal: AbortSignal): Promise<void>;
  /** Collections with rows that came or went since they were last optimised. */
  changedCollections(signal: AbortSignal): Promise<readonly string[]>;
  optimize(collection: string, signal: AbortSignal): Promise<void>;
}

/** The service before the actor: documents are checked and hashed here, on the asker's time. */
export function ingestService(actor: ActorRef<IngestMessage>, options: IngestOptions, timeoutMs: number): IngestService {
  const exclusive = <Result>(collection: string, work: (indexing: Indexing, signal: AbortSignal) => Promise<Result>, signal: AbortSignal) =>
    actor.ask<Result>({ kind: "exclusive", collection, work } as ExclusiveMessage & Asks<Result>, { timeoutMs, signal });
  return {
    async accept(collection, incoming, signal) {
      const record = options.catalog.resolve(collection)?.record;
      if (record === undefined) throw kennelError("not_found", { param: "collection", message: `There is no collection "${collection}"` });
      const { dimensions } = options.modelOf(record.settings.embedding);
      const expanded = await expandJsonLines(incoming, options.accept.maxDocuments);
      const { documents, inferred, bytes } = await checkDocuments(expanded, dimensions, options.accept, signal);
      return actor.ask<JobRecord>({ kind: "accept", collection: record.name, documents, inferred, bytes }, { timeoutMs, signal });
    },
    deleteDocuments: (collection, ids, signal) =>
      exclusive(collection, (indexing, inner) => indexing.removeDocuments(collection, ids, inner), signal),
    deleteMatching: (collection, filter, signal) =>
      exclusive(collection, (indexing, inner) => indexing.removeMatching(collection, filter, inner), signal),
    cancel: (jobId, signal) => actor.ask<boolean>({ kind: "cancel", jobId }, { timeoutMs, signal }),
    dropIndex: (record, signal) => exclusive(record.name, (indexing, inner) => indexing.dropIndex(record, inner), signal),
    removeExpired: (collection, beforeMs, limit, signal) =>
      exclusive(collection, (indexing, inner) => indexing.removeExpired(collection, beforeMs, limit, inner), signal),
    finishRemovals: (collection, ids, signal) =>
      exclusive(collection, (indexing, inner) => indexing.finishRemovals(collection, ids, inner), signal),
    changedCollections: (signal) => actor.ask<readonly string[]>({ kind: "changed_collections" }, { timeoutMs, signal }),
    optimize: (collection, signal) => exclusive(collection, (indexing, inner) => indexing.optimize(collection, inner), signal),
  };
}
