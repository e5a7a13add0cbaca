/** The streams and the consumer of the work queue, as JetStream has them: made where they are missing, never changed. */
import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  DiscardPolicy,
  ErrorCode,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import { DEAD_SUBJECTS, WORK_SUBJECTS, worksOf } from "./job_subjects.ts";

export const WORK_STREAM = "KENNEL_INGEST";
export const DEAD_STREAM = "KENNEL_INGEST_DEAD";

/** A job of which the queue has heard nothing for so long is handed to another node. */
const ACK_WAIT_MS = 10_000;
/** Jobs that all nodes together have taken and not ended. */
const MAX_IN_FLIGHT = 1_000;
/** Nodes that wait for a job. */
const MAX_WAITING = 512;
/** A job that is put again so soon after it was taken in is the same one. */
const DUPLICATE_MS = 30_000;
const MAX_MESSAGE_BYTES = 8_192;
const MAX_DEAD = 10_000;
const DEAD_AGE_MS = 30 * 86_400_000;
/** Of servers that keep a stream: as many as there are, so that the loss of one of three costs nothing. */
const REPLICAS = [3, 1];
export const CALL_LIMIT_MS = 3_000;

const STREAM_NOT_FOUND = 10_059;
const STREAM_EXISTS = 10_058;
/** How JetStream describes that there is no room for a message: in the stream, the account or the server. */
const FULL = /maximum (messages|bytes)|insufficient (storage|resources)|resource limits|no space/i;

export interface JobStreams {
  readonly client: NatsConnection;
  readonly jetStream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly consumer: Consumer;
  /** Whether a stream had to be made. */
  readonly isNew: boolean;
}

/** The durable consumer that nodes with the same stores share. */
export function consumerOf(stores: string): string {
  return `kennel-${stores}`;
}

/** Rejects with the client's `NatsError`. @param maxJobs that the stream keeps */
export async function openJobStreams(client: NatsConnection, stores: string, maxJobs: number): Promise<JobStreams> {
  const manager = await client.jetstreamManager({ checkAPI: false, timeout: CALL_LIMIT_MS });
  const isNew = await ensureStream(manager, {
    name: WORK_STREAM,
    description: "Ids of ingest jobs that wait for a node or are being worked on",
    subjects: [WORK_SUBJECTS],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs_per_subject: 1, // a job has a subject of its own, so it is in the queue once
    max_msgs: maxJobs,
    max_msg_size: MAX_MESSAGE_BYTES,
    duplicate_window: nanos(DUPLICATE_MS),
  });
  await ensureStream(manager, {
    name: DEAD_STREAM,
    description: "Ids of ingest jobs that were given up, with the reason",
    subjects: [DEAD_SUBJECTS],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_msgs: MAX_DEAD,
    max_msg_size: MAX_MESSAGE_BYTES,
    max_age: nanos(DEAD_AGE_MS),
  });
  await manager.consumers.add(WORK_STREAM, {
    durable_name: consumerOf(stores),
    filter_subject: worksOf(stores),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(ACK_WAIT_MS),
    max_deliver: -1, // who takes a job counts, and says why it is given up
    max_ack_pending: MAX_IN_FLIGHT,
    max_waiting: MAX_WAITING,
  });
  const jetStream = client.jetstream({ timeout: CALL_LIMIT_MS });
  return { client, jetStream, manager, consumer: await jetStream.consumers.get(WORK_STREAM, consumerOf(stores)), isNew };
}

/** @returns whether it had to be made */
async function ensureStream(manager: JetStreamManager, config: Partial<StreamConfig> & { readonly name: string }): Promise<boolean> {
  try {
    await manager.streams.info(config.name);
    return false;
  } catch (thrown) {
    if (errorCodeOf(thrown) !== STREAM_NOT_FOUND) throw thrown;
  }
  for (const num_replicas of REPLICAS) {
    try {
      await manager.streams.add({ ...config, num_replicas });
      return true;
    } catch (thrown) {
      const code = errorCodeOf(thrown);
      if (code === STREAM_EXISTS) return true; // another node was first
      // Not an answer: fewer replicas would not help.
      if (code === null || num_replicas === REPLICAS.at(-1)) throw thrown;
    }
  }
  return true;
}

/** JetStream's own code of an error; null: it is not JetStream that has answered. */
export function errorCodeOf(thrown: unknown): number | null {
  return thrown instanceof NatsError ? (thrown.api_error?.err_code ?? null) : null;
}

/** A cause in one word, for the status, a metric and the log. */
export function causeOf(thrown: unknown): string {
  if (!(thrown instanceof NatsError)) return "failed";
  if (thrown.isPermissionError() || thrown.code === ErrorCode.PermissionsViolation) return "permission_denied";
  const { description } = thrown.api_error ?? {};
  if (description === undefined) return thrown.code === ErrorCode.Timeout ? "timeout" : "no_jetstream";
  if (FULL.test(description)) return "full";
  return errorCodeOf(thrown) === STREAM_NOT_FOUND ? "stream_missing" : "refused";
}
