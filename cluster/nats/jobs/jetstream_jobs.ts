/**
 * The queue of ingest jobs in JetStream: one message for each job, with its id.
 *
 * Invariants:
 *   Q1. What is missing (stream, consumer) is made again whenever it is found missing; nothing that is there is changed.
 *   Q2. A message leaves the stream when its job is done, and not before; it is in it once.
 *   Q3. Nothing here rejects; what goes wrong is counted by kind, told once in the log until it is over, and stands in the status.
 */
import { type JsMsg, headers as natsHeaders } from "nats";
import type { JobRecord } from "../../../actors/document_store/job_record.ts";
import type { Delivery, JobQueue, QueuedJob } from "../../../actors/ingest/sharing/job_queue.ts";
import type { Clock, Timer } from "../../../runtime/clock.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import type { NatsLink } from "../../../transport/nats/link.ts";
import {
  CALL_LIMIT_MS,
  causeOf,
  consumerOf,
  DEAD_STREAM,
  errorCodeOf,
  type JobStreams,
  openJobStreams,
  WORK_STREAM,
} from "./job_streams.ts";
import { deadSubject, encodeJob, parseJob, progressSubject, workSubject } from "./job_subjects.ts";

export interface JetStreamJobsParts {
  readonly link: NatsLink;
  /** What nodes say of the stores that they share: one token of a subject. */
  readonly stores: string;
  /** This node's name. */
  readonly node: string;
  /** Jobs that the stream keeps. */
  readonly maxJobs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts what should be rare, by kind: `job_queue_full`, `job_queue_permission_denied`, … */
  readonly count: (event: string) => void;
}

/** As the consumer's figures were last read. */
export interface QueueReading {
  /** Jobs that no node has taken yet. */
  readonly pending: number;
  /** Jobs that nodes have taken and not ended. */
  readonly inFlight: number;
  /** Of these, those that were handed out before. */
  readonly redelivered: number;
}

/** JetStream's code where a subject or the stream has all the messages that it may have. */
const STORE_FAILED = 10_077;
/** Pause between two readings. */
const READ_MS = 2_000;
/** Before what has failed is tried again. */
const RETRY_MS = 1_000;
/** Time for a first connection at the start of a node. */
const CONNECT_WAIT_MS = 5_000;
const MAX_REASON = 1_000;

export class JetStreamJobs implements JobQueue {
  readonly #parts: JetStreamJobsParts;
  #opened: { readonly client: unknown; readonly streams: Promise<JobStreams> } | null = null;
  #reading: QueueReading | null = null;
  /** Jobs that this node has put since then. */
  #putSince = 0;
  #cause: string | null = null;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(parts: JetStreamJobsParts) {
    this.#parts = parts;
    parts.link.attach({ onConnected: () => this.#readOn(), onCutOff: () => this.#forget() });
    if (parts.link.isConnected) this.#readOn();
  }

  get reading(): QueueReading | null {
    return this.#reading;
  }

  get backlog(): number | null {
    if (this.#reading === null || this.#cause !== null) return null;
    return this.#reading.pending + this.#reading.inFlight + this.#putSince;
  }

  describe(): object {
    const { stores } = this.#parts;
    const names = { stream: WORK_STREAM, consumer: consumerOf(stores), dead_letters: DEAD_STREAM };
    const { pending = null, inFlight = null, redelivered = null } = this.#reading ?? {};
    return { state: this.#cause === null && this.#reading !== null ? "ready" : "away", cause: this.#cause, ...names, pending, in_flight: inFlight, redelivered }; // biome-ignore format: one thought
  }

  async put(job: QueuedJob): Promise<boolean> {
    const { stores } = this.#parts;
    try {
      const streams = await this.#open();
      if (streams === null) return false;
      const subject = workSubject(stores, job.collection, job.id);
      const expect = { streamName: WORK_STREAM };
      await streams.jetStream.publish(subject, encodeJob(job), { msgID: `${stores} ${job.id}`, expect, timeout: CALL_LIMIT_MS });
      this.#putSince += 1;
      this.#well();
      return true;
    } catch (thrown) {
      // Q2: the subject is the job's own, so what fills it is the job itself.
      if (errorCodeOf(thrown) === STORE_FAILED && /per subject/.test(String((thrown as Error).message))) return true;
      this.#failed(thrown);
      return false;
    }
  }

  async next(waitMs: number, signal: AbortSignal): Promise<Delivery | null> {
    const { clock } = this.#parts;
    try {
      const streams = await this.#open();
      if (streams === null) {
        await clock.sleep(RETRY_MS, signal);
        return null;
      }
      const messages = await streams.consumer.fetch({ max_messages: 1, expires: waitMs });
      const stop = () => messages.stop();
      signal.addEventListener("abort", stop, { once: true });
      try {
        for await (const message of messages) return this.#take(message);
      } finally {
        signal.removeEventListener("abort", stop);
      }
      return null;
    } catch (thrown) {
      if (signal.aborted) return null;
      this.#failed(thrown);
      await clock.sleep(RETRY_MS, signal).catch(() => {}); // whoever asks looks at the signal
      return null;
    }
  }

  async bury({ job, deliveries }: Delivery, reason: string): Promise<boolean> {
    const { stores, node } = this.#parts;
    const headers = natsHeaders();
    headers.set("Kennel-Reason", reason.replace(/\s+/g, " ").slice(0, MAX_REASON));
    headers.set("Kennel-Deliveries", String(deliveries));
    headers.set("Kennel-Node", node);
    try {
      const streams = await this.#open();
      if (streams === null) return false;
      const expect = { streamName: DEAD_STREAM };
      const options = { msgID: `${stores} ${job.id}`, headers, expect, timeout: CALL_LIMIT_MS };
      await streams.jetStream.publish(deadSubject(stores, job.collection, job.id), encodeJob(job), options);
      return true;
    } catch (thrown) {
      this.#failed(thrown);
      return false;
    }
  }

  tell(job: JobRecord): void {
    const { id, collection, kind, status, counts } = job;
    const event = { job: id, collection, kind, status, counts, node: this.#parts.node };
    try {
      this.#parts.link.client?.publish(progressSubject(collection, id), JSON.stringify(event)); // without a connection nobody would hear it
    } catch {
      this.#parts.count("job_progress_lost"); // it closes at this moment
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #take(message: JsMsg): Delivery | null {
    const { count, logger } = this.#parts;
    const job = parseJob(message.string());
    if (job === null) {
      count("malformed_job");
      logger.error(
        { stream: WORK_STREAM },
        "a message in the queue of jobs names no job and is dropped: something else writes to its subjects",
      );
      message.term("no job");
      return null;
    }
    // The client refuses to send while it is cut off; the queue then hands the job out again, which is what it is for.
    const answer = (send: () => void) => {
      try {
        send();
      } catch {
        count("job_answer_lost");
      }
    };
    return {
      job,
      deliveries: message.info.redeliveryCount,
      working: () => answer(() => message.working()),
      done: () => answer(() => message.ack()),
      retry: (delayMs) => answer(() => message.nak(Math.round(delayMs))),
    };
  }

  /** Q1. Null: there is no connection. */
  async #open(): Promise<JobStreams | null> {
    const { link, stores, maxJobs, logger, count } = this.#parts;
    if (link.state.kind === "connecting") await link.untilConnected(AbortSignal.timeout(CONNECT_WAIT_MS)).catch(() => {}); // it is looked at next
    const { client } = link;
    if (client === null || this.#isStopped) return null;
    if (this.#opened?.client !== client) {
      const streams = openJobStreams(client, stores, maxJobs).then((opened) => {
        if (opened.isNew) {
          count("job_queue_made");
          logger.info({ stream: WORK_STREAM }, "the queue of jobs was made");
        }
        return opened;
      });
      const opened = { client, streams };
      this.#opened = opened;
      streams.catch(() => {
        if (this.#opened === opened) this.#opened = null; // Q1; whoever waits for it tells of it
      });
    }
    return this.#opened.streams;
  }

  #forget(): void {
    this.#opened = null;
    this.#reading = null;
  }

  /** Q3 */
  #failed(thrown: unknown): void {
    const cause = causeOf(thrown);
    this.#parts.count(`job_queue_${cause}`);
    if (cause !== "full") this.#forget();
    if (this.#cause === cause) return;
    this.#cause = cause;
    this.#parts.logger.error(
      { cause, stream: WORK_STREAM },
      "JetStream does not take or give jobs: nodes work off what they have taken in themselves, until it does",
    );
  }

  #well(): void {
    if (this.#cause !== null) this.#parts.logger.info("JetStream takes jobs again");
    this.#cause = null;
  }

  #readOn(): void {
    this.#timer?.cancel();
    if (this.#isStopped) return;
    void this.#read().finally(() => {
      this.#timer?.cancel(); // of a reading that began with a later connection: one goes on
      if (this.#parts.link.isConnected && !this.#isStopped) this.#timer = this.#parts.clock.setTimer(READ_MS, () => this.#readOn());
    });
  }

  async #read(): Promise<void> {
    try {
      const streams = await this.#open();
      if (streams === null) return;
      const known = this.#putSince; // what is put from now on the figures may lack
      const info = await streams.manager.consumers.info(WORK_STREAM, consumerOf(this.#parts.stores));
      this.#putSince -= known;
      this.#reading = { pending: info.num_pending, inFlight: info.num_ack_pending, redelivered: info.num_redelivered };
      if (this.#cause !== "full") this.#well();
    } catch (thrown) {
      this.#failed(thrown);
    }
  }
}
