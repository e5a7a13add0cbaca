import { kennelError, toKennelError } from "../../runtime/errors.ts";
import type { ActorContext } from "../../supervisor/kernel/behavior.ts";
import { NO_TRACER } from "../../telemetry/tracing.ts";
import type { BuildSettings, CollectionRecord } from "../document_store/collection_record.ts";
import type { ReindexPlan } from "../document_store/index_version.ts";
import type { JobRecord } from "../document_store/job_record.ts";
import type { IngestOptions, IngestState } from "./ingest_state.ts";
import type { AcceptMessage, IngestMessage, ReindexMessage } from "./messages.ts";

export function accept(options: IngestOptions, state: IngestState, message: AcceptMessage, context: ActorContext<IngestMessage>): void {
  const ask = context.pendingAsk;
  const isFull = openJobs(options, state) >= options.maxOpenJobs;
  const isBeyond = state.acceptingBytes > 0 && state.acceptingBytes + message.bytes > options.maxAcceptingBytes;
  if (isFull || isBeyond) {
    const what = isFull ? `${options.maxOpenJobs} jobs are open` : "too many documents are on their way to the disk";
    ask?.fail(kennelError("overloaded", { message: `Cannot take more documents now: ${what}`, retryAfterMs: 2000 }));
    return;
  }
  state.acceptingBytes += message.bytes;
  state.jobsMade += 1;
  const jobId = newJobId(options, state.jobsMade);
  const { collection, documents, inferred, bytes, replaceable, origin } = message;
  const put = async (signal: AbortSignal) => {
    const job = await options.documents.acceptDocuments(collection, jobId, documents, inferred, signal, replaceable);
    await options.catalog.refresh(collection, signal);
    return job;
  };
  const { tracer = NO_TRACER } = options;
  const span = tracer.active();
  // J1: the work follows the actor's life, not the asker's; its spans are the asker's as long as that is there.
  context.pipe(
    (signal) => tracer.within(span, () => put(signal)),
    (outcome) => ({ kind: "accepted", bytes, ask, origin, outcome }),
  );
}

/** J1 */
export function reindex(
  options: IngestOptions,
  state: IngestState,
  { collection, build, plan, origin }: ReindexMessage,
  context: ActorContext<IngestMessage>,
): void {
  const ask = context.pendingAsk;
  if (openJobs(options, state) >= options.maxOpenJobs) {
    const message = `No more jobs now: ${openJobs(options, state)} are open, as many as may be`;
    ask?.fail(kennelError("overloaded", { message, retryAfterMs: 2000 }));
    return;
  }
  context.pipe(
    (signal) => makeReindex(options, collection, build, plan, signal),
    (outcome) => ({ kind: "accepted", bytes: 0, ask, origin, outcome }),
  );
}

/** Whoever finds an index lost waits for its repair to be on disk; one that another has begun serves as well. */
export async function beginRepair(
  options: IngestOptions,
  record: CollectionRecord,
  context: ActorContext<IngestMessage>,
  signal: AbortSignal,
): Promise<void> {
  const { language, embedding, chunking } = record.settings;
  try {
    const job = await makeReindex(options, record.name, { language, embedding, chunking }, null, signal);
    options.logger.warn({ collection: record.name, job: job.id }, "An index was lost and is built anew");
    context.self.tell({ kind: "accepted", bytes: 0, ask: null, origin: null, outcome: { ok: true, value: job } }, { lane: "control" });
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

/** Of this node, or of all nodes with the same document store. */
function openJobs(options: IngestOptions, state: IngestState): number {
  return Math.max(state.schedule.openJobs, options.shared?.backlog ?? 0);
}

/** Sorts by time; the number and the random part keep two of one millisecond apart. */
function newJobId(options: IngestOptions, made: number): string {
  const random = Math.floor(options.random.next() * 2 ** 40).toString(36);
  return `job_${options.clock.wallMs().toString(36)}${made.toString(36).padStart(3, "0")}${random.padStart(8, "0")}`;
}
