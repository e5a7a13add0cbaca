import { neverReached } from "../../runtime/errors.ts";
import type { ActorContext, Behavior, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import { NO_TRACER } from "../../telemetry/tracing.ts";
import { Indexing } from "./indexing.ts";
import { noteFinished } from "./ingest_metrics.ts";
import type { IngestOptions, IngestState, Queued } from "./ingest_state.ts";
import { JobTraces } from "./job_traces.ts";
import type { CancelMessage, IngestMessage, Work } from "./messages.ts";
import { begin, end, endRound, handBack, judged, retryLater, startRound, take } from "./rounds.ts";
import { Schedule } from "./schedule.ts";
import { accept, beginRepair, reindex } from "./taking_in.ts";

// Invariants:
//   J1. A job is told to the caller after it is on disk, and goes on whether or not the caller is still there.
//   J2. An outage never fails a document: its job waits, longer each time, and goes on when the store is back.
//   J3. At the start every open job that nobody has and every removal that was begun is taken up again.
//   J4. Where other nodes have the same document store, jobs and collections are claimed before anything is done to them.

const MAX_REMOVALS_AT_START = 10_000;

/** The actor that keeps both stores in step: it takes documents in, works off jobs, and removes what must go. */
export function ingestBehavior(options: IngestOptions): Behavior<IngestState, IngestMessage> {
  return {
    async start(context) {
      const state: IngestState = {
        indexing: new Indexing({ ...options, beginRepair: (record, signal) => beginRepair(options, record, context, signal) }),
        schedule: new Schedule<Queued>(options.maxParallel),
        traces: new JobTraces(options.tracer ?? NO_TRACER),
        acceptingBytes: 0,
        jobsMade: 0,
        wake: null,
      };
      await takeUp(options, state, context);
      options.shared?.begin({
        take: (job) => context.self.tell({ kind: "taken", job }, { lane: "control" }),
        handBack: () => void context.self.tell({ kind: "hand_back" }, { lane: "control" }),
      });
      options.metrics.openJobs(state.schedule.openJobs);
      return state;
    },
    receive(state, message, context) {
      handle(options, state, message, context);
      advance(options, state, context);
      options.metrics.openJobs(state.schedule.openJobs);
      return state;
    },
    async stop(state) {
      state.wake?.cancel();
      await options.shared?.end();
    },
  };
}

/** J3 */
async function takeUp(options: IngestOptions, state: IngestState, context: ActorContext<IngestMessage>): Promise<void> {
  const open = options.shared === null ? await options.documents.openJobs(context.stopping) : [];
  for (const job of open) {
    state.schedule.addJob(job.id, job.collection);
    state.indexing.noteUnknown(job.collection);
  }
  const leaving = await options.documents.deletingDocuments(MAX_REMOVALS_AT_START, context.stopping);
  for (const [collection, entries] of Map.groupBy(leaving, (entry) => entry.collection)) {
    const ids = entries.map((entry) => entry.id);
    queueWork(options, state, collection, (indexing, signal) => indexing.finishRemovals(collection, ids, signal), null);
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
      settle(message.ask, message.outcome);
      if (message.outcome.ok) begin(options, state, message.outcome.value, message.origin);
      break;
    case "taken":
      take(options, state, message.job, context);
      break;
    case "hand_back":
      handBack(options, state);
      break;
    case "exclusive":
      queueWork(options, state, message.collection, message.work, context.pendingAsk);
      break;
    case "exclusive_ended":
      state.schedule.end(message.collection);
      settle(message.ask, message.outcome);
      break;
    case "cancel":
      cancel(options, state, message, context);
      break;
    case "cancelled":
      state.schedule.end(message.collection);
      if (message.outcome.ok) end(options, state, message.jobId);
      else reopen(state, message.jobId);
      settle(message.ask, message.outcome);
      break;
    case "round_ended":
      state.schedule.end(message.collection);
      endRound(options, state, message.jobId, message.outcome, context);
      break;
    case "job_failed":
      if (message.outcome.ok || message.outcome.error.code === "not_found") {
        if (message.outcome.ok) noteFinished(options.metrics, message.outcome.value);
        end(options, state, message.jobId);
      } else {
        reopen(state, message.jobId);
        retryLater(options, state, message.jobId, message.outcome.error, context);
      }
      break;
    case "judged":
      judged(options, state, message, context);
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
function advance(options: IngestOptions, state: IngestState, context: ActorContext<IngestMessage>): void {
  for (;;) {
    const step = state.schedule.next(context.clock.monotonicMs());
    if (step.kind === "round") startRound(options, state, step.job, context);
    else if (step.kind === "exclusive") step.exclusive.work.run(context);
    else {
      state.wake?.cancel();
      const wake = () => void context.self.tell({ kind: "wake" }, { lane: "control" });
      state.wake = step.waitMs === null ? null : context.clock.setTimer(step.waitMs, wake);
      return;
    }
  }
}

function queueWork(options: IngestOptions, state: IngestState, collection: string, work: Work, ask: PendingAsk | null): void {
  const run = (context: ActorContext<IngestMessage>) => {
    const attempt = (signal: AbortSignal) => alone(options, collection, signal, (inner) => work(state.indexing, inner));
    const toMessage = (outcome: Outcome<unknown>): IngestMessage => ({ kind: "exclusive_ended", collection, ask, outcome });
    if (ask === null) context.pipe(attempt, toMessage);
    else context.pipe(attempt, toMessage, ask);
  };
  state.schedule.addExclusive({ collection, work: { run } });
}

/** J4: runs `work` once no other node works on the collection. */
async function alone<Result>(
  { shared }: IngestOptions,
  collection: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  if (shared === null) return work(signal);
  return (await shared.withCollection(collection, true, signal, work)) as Result; // waiting, it has a result
}

/** Waits for the batch that runs, so that no document of the job is left between the stores. */
function cancel(
  options: IngestOptions,
  state: IngestState,
  { jobId, collection: known }: CancelMessage,
  context: ActorContext<IngestMessage>,
): void {
  const ask = context.pendingAsk;
  const job = state.schedule.job(jobId);
  if (job !== null) job.isCancelled = true;
  const collection = job?.collection ?? known ?? `job ${jobId}`; // a job that is not open here only needs the store's answer
  const run = (running: ActorContext<IngestMessage>) =>
    running.pipe(
      (signal) =>
        alone(options, collection, signal, async (inner) => {
          const isCancelled = await options.documents.cancelJob(jobId, inner);
          if (job !== null || known !== null) await options.catalog.refresh(collection, inner); // a build may have gone with it
          return isCancelled;
        }),
      (outcome) => ({ kind: "cancelled", jobId, collection, ask, outcome }),
    );
  state.schedule.addExclusive({ collection, work: { run } });
}

function reopen(state: IngestState, jobId: string): void {
  const job = state.schedule.job(jobId);
  if (job !== null) job.isCancelled = false;
}

function settle(ask: PendingAsk | null, outcome: Outcome<unknown>): void {
  if (outcome.ok) ask?.reply(outcome.value);
  else ask?.fail(outcome.error);
}
