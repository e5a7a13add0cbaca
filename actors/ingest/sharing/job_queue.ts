import type { JobRecord } from "../../document_store/job_record.ts";
import type { JobOrigin } from "../job_traces.ts";

export interface QueuedJob {
  readonly id: string;
  readonly collection: string;
  /** The request that has asked for it; null or missing: not known, or not traced. */
  readonly origin?: JobOrigin | null;
}

/** A job that the queue has handed to this node. One of `done` and `retry` ends it; until then no other node is given it. */
export interface Delivery {
  readonly job: QueuedJob;
  /** How often it has been handed out, this time included. */
  readonly deliveries: number;
  /** It is being worked on: the queue waits on. */
  working(): void;
  /** The document store has the job's end: nobody is given it again. */
  done(): void;
  /** Some node is given it again, not before `delayMs` have passed. */
  retry(delayMs: number): void;
}

/**
 * Hands jobs to the nodes that share a document store, each to one at a time. It carries ids; what a job is, and whether it
 * has ended, the store says. No method rejects: a queue that is away, full or forbidden says so in its answers.
 */
export interface JobQueue {
  /** Gives the queue a job; one that is in it already stays there once. False: the queue has not taken it. */
  put(job: QueuedJob): Promise<boolean>;
  /** The next job; null: none came within `waitMs`, or the signal aborted. */
  next(waitMs: number, signal: AbortSignal): Promise<Delivery | null>;
  /** Keeps the id of a job that was given up, with the reason, where an operator finds it. False: it could not be kept. */
  bury(delivery: Delivery, reason: string): Promise<boolean>;
  /** Tells whoever listens how far a job is. */
  tell(job: JobRecord): void;
  /** Jobs that wait in it or are being worked on, as far as this node knows; null: it is away, or takes none. */
  readonly backlog: number | null;
  /** As in `/v1/status`. */
  describe(): object;
}
