import type { Clock } from "../../../runtime/clock.ts";
import { type KennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import type { JobRecord } from "../../document_store/job_record.ts";
import type { JobOrigin } from "../job_traces.ts";
import { claimOf, HeldJobs, MAX_HELD } from "./held_jobs.ts";
import type { Delivery, JobQueue, QueuedJob } from "./job_queue.ts";
import { OpenJobs } from "./open_jobs.ts";
import { WorkSession } from "./work_session.ts";
import { YieldedCollections } from "./yielded_collections.ts";

// Invariants:
//   S1. A job is worked on by the node that has claimed it, and a collection changed by the node that has claimed that; so
//       what the ingest actor promises within a node (one thing at a time, in the order of acceptance) holds among nodes.
//   S2. The queue is told that a job is done after the document store has its end.
//   S3. No job depends on the queue: each node looks regularly for open jobs that nobody has, and gives them to the queue,
//       or takes them itself where the queue does not take them.
//   S4. A node takes from the queue only what it has room for.

export interface SharedJobsParts {
  readonly documents: Pick<DocumentStore, "claims" | "openJobs" | "getJob">;
  /** Null: nodes have none in common; each works off what it has taken in, and what others have left. */
  readonly queue: JobQueue | null;
  readonly leaseMs: number;
  /** Deliveries after which a job that fails is given up. */
  readonly maxDeliveries: number;
  /** Collections that are worked on at once: with more jobs than that, idle nodes go first. */
  readonly maxParallel: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: SharedJobsMetrics;
}

export interface SharedJobsMetrics {
  /** A job was handed to this node again: its node is gone, was too slow, or gave it back. */
  redelivered(): void;
  /** A job was given up, and its id kept with the reason. */
  buried(): void;
}

export interface TakenJob extends QueuedJob {
  /** Why it is to be given up instead of worked on; null: it is not. */
  readonly giveUp: string | null;
  /** An earlier process has left it, on a store that no other node has. */
  readonly isInherited: boolean;
}

/** What the ingest actor is told. */
export interface JobTaker {
  /** This node has claimed the job. False: it is not taken. */
  take(job: TakenJob): boolean;
  /** What is held is to be given back, each job as soon as its round has ended. */
  handBack(): void;
}

export type Verdict = { readonly kind: "again" } | { readonly kind: "returned" } | { readonly kind: "buried"; readonly reason: string };

const NEXT_WAIT_MS = 5_000;
/** The queue hands a job on when it hears nothing for 10 s. */
const WORKING_MS = 3_000;
/** Of what is asked of the document store of one job. */
const CALL_LIMIT_MS = 30_000;
/** Between two looks at a claim that another node has. */
const LOOK_AGAIN_MS = 100;
/** A node that has work enough leaves the next job to others for this long. */
const POLITE_MS = 250;
/** Steps that fail in a row for no outage's reason before another node has its try. */
const MAX_FAULTS_HERE = 2;
/** Times `maxDeliveries`: a job that its nodes do not survive, or never end, is given up as well. */
const ENDLESS = 10;
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
/** Before a job is offered again that another node is working on. */
const MAX_ELSEWHERE_MS = 15_000;

/** From the start of the ingest actor to its end. */
interface Life {
  readonly end: AbortController;
  readonly session: WorkSession;
  readonly taker: JobTaker;
}

/** This node's share of the jobs of all nodes with the same document store. */
export class SharedJobs {
  readonly #parts: SharedJobsParts;
  readonly #held = new HeldJobs();
  readonly #yielded: YieldedCollections;
  readonly #open: OpenJobs;
  #life: Life | null = null;
  /** For good: an ingest actor that begins anew while its node leaves takes nothing either. */
  #isLeaving = false;

  constructor(parts: SharedJobsParts) {
    this.#parts = parts;
    this.#yielded = new YieldedCollections(parts.clock);
    const take = (job: QueuedJob) => this.#take(job, null, true);
    this.#open = new OpenJobs({ ...parts, held: this.#held, isLeaving: () => this.#isLeaving, take });
  }

  /** Open jobs of all nodes, as far as this one knows. */
  get backlog(): number {
    return this.#parts.queue?.backlog ?? this.#open.known;
  }

  begin(taker: JobTaker): void {
    const { documents, leaseMs, clock, random, logger } = this.#parts;
    void this.end(); // an incarnation that has crashed
    const end = new AbortController();
    const onLost = () => taker.handBack();
    const session = new WorkSession({ claims: documents.claims, leaseMs, clock, random, logger, onLost });
    this.#life = { end, session, taker };
    void this.#open.sweepOn(end.signal); // S3
    void this.#showWork(this.#life);
    if (this.#parts.queue !== null) void this.#pull(this.#life, this.#parts.queue);
  }

  /** What is still held goes to other nodes. Never rejects. */
  async end(): Promise<void> {
    const life = this.#life;
    if (life === null) return;
    this.#life = null;
    life.end.abort(new Error("The ingest actor stops"));
    this.#held.giveBackAll();
    await life.session.end();
  }

  /** Takes no further jobs; resolves when what was held has been given back, or after `limitMs`. */
  async leave(limitMs: number): Promise<void> {
    const life = this.#life;
    if (life === null) return;
    this.#isLeaving = true;
    life.taker.handBack();
    const limit = AbortSignal.any([life.end.signal, AbortSignal.timeout(limitMs)]);
    while (this.#held.size > 0 && !limit.aborted) await this.#held.untilFreed(limit);
  }

  /** Runs `work` while no other node works on the collection. @param waits false: null where another one does */
  async withCollection<Result>(
    collection: string,
    waits: boolean,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result | null> {
    const { clock, random } = this.#parts;
    const session = this.#life?.session;
    if (session === undefined) throw toKennelError(new Error("The ingest actor has stopped"));
    if (!waits && this.#yielded.has(collection)) return null;
    const name = `collection ${collection}`;
    let lost = await session.claim(name, signal);
    while (lost === null) {
      if (!waits) return null;
      await clock.sleep(LOOK_AGAIN_MS * (0.5 + random.next()), signal);
      lost = await session.claim(name, signal);
    }
    try {
      return await work(AbortSignal.any([signal, lost]));
    } finally {
      if (await session.release(name)) this.#yielded.add(collection);
    }
  }

  /** Throws `unavailable` where others may work on what this node has claimed. */
  assertValid(): void {
    this.#life?.session.assertValid();
  }

  /** A job that this node has just put into the document store. @param origin null: not known, or not traced */
  async offer(record: JobRecord, origin: JobOrigin | null): Promise<void> {
    this.#open.added();
    this.#parts.queue?.tell(record);
    const job: QueuedJob = { id: record.id, collection: record.collection, origin };
    if ((await this.#parts.queue?.put(job)) === true || this.#isLeaving) return;
    await this.#take(job, null);
  }

  /** The job needs no more work: it has ended, or is gone from the document store (S2). */
  ended(jobId: string): void {
    this.#open.ended();
    this.#tell(jobId);
    this.#held.deliveryOf(jobId)?.done();
    this.#letGo(jobId);
  }

  /** How far the job is has changed. */
  progressed(jobId: string): void {
    this.#tell(jobId);
  }

  /** Another node may have the job. */
  givenBack(jobId: string): void {
    this.#held.deliveryOf(jobId)?.retry(0);
    this.#letGo(jobId);
  }

  /**
   * What becomes of a job whose step has failed for no outage's reason. One that is `returned` is not held any more; for one
   * that is `buried` the caller writes its end and says `ended`.
   * @param faults steps that have failed so in a row
   */
  async judge(jobId: string, faults: number, error: KennelError): Promise<Verdict> {
    const delivery = this.#held.deliveryOf(jobId);
    if (delivery === null || this.#parts.queue === null || faults < MAX_FAULTS_HERE) return { kind: "again" };
    if (delivery.deliveries >= this.#parts.maxDeliveries) {
      const reason = `it failed on each of ${delivery.deliveries} deliveries, at last with ${error.code}: ${error.message}`;
      await this.#bury(delivery, reason);
      return { kind: "buried", reason };
    }
    delivery.retry(this.#delayOf(delivery));
    this.#letGo(jobId);
    return { kind: "returned" };
  }

  /** As in `/v1/status`. */
  describe(): object {
    return { held: this.#held.ids, open: this.#open.known, queue: this.#parts.queue?.describe() ?? null };
  }

  async #pull(life: Life, queue: JobQueue): Promise<void> {
    const { clock, maxParallel, metrics } = this.#parts;
    const { signal } = life.end;
    while (!signal.aborted && !this.#isLeaving) {
      if (this.#held.size >= MAX_HELD)
        await this.#held.untilFreed(signal); // S4
      else if (this.#held.size > maxParallel) await clock.sleep(POLITE_MS, signal).catch(() => {});
      if (signal.aborted || this.#held.size >= MAX_HELD) continue;
      const delivery = await queue.next(NEXT_WAIT_MS, signal);
      if (delivery === null) continue;
      if (delivery.deliveries > 1) metrics.redelivered();
      if (this.#isLeaving || signal.aborted) delivery.retry(0);
      else await this.#take(delivery.job, delivery);
    }
  }

  /** Never rejects. */
  async #take(job: QueuedJob, delivery: Delivery | null, isSwept = false): Promise<void> {
    const life = this.#life;
    const held = this.#held.get(job.id);
    if (life === null) return delivery?.retry(0);
    if (held !== undefined) {
      // The queue did not hear of it for too long, and has handed it out again.
      if (delivery !== null) held.delivery = delivery;
      return;
    }
    this.#held.add(job, delivery); // while it is claimed
    try {
      const outcome = await this.#claim(life, job);
      if (this.#life !== life) return delivery?.retry(0);
      if (outcome === "claimed") {
        const giveUp = delivery === null ? null : await this.#endlessness(delivery);
        const isInherited = isSwept && this.#parts.queue === null;
        const isTaken = !this.#isLeaving && life.taker.take({ ...job, giveUp, isInherited });
        if (!isTaken) this.givenBack(job.id);
        return;
      }
      this.#held.remove(job.id);
      if (outcome === "over") delivery?.done();
      else delivery?.retry(Math.min(MAX_ELSEWHERE_MS, this.#delayOf(delivery)));
    } catch (thrown) {
      if (this.#life !== life) return delivery?.retry(0); // what is held now is the next one's
      this.#held.remove(job.id);
      this.#parts.logger.warn({ job: job.id, code: toKennelError(thrown).code }, "a job could not be taken up now");
      delivery?.retry(this.#delayOf(delivery));
    }
  }

  /** S1 */
  async #claim(life: Life, { id }: QueuedJob): Promise<"claimed" | "elsewhere" | "over"> {
    const signal = AbortSignal.any([life.end.signal, AbortSignal.timeout(CALL_LIMIT_MS)]);
    if ((await life.session.claim(claimOf(id), signal)) === null) return "elsewhere";
    try {
      const record = await this.#parts.documents.getJob(id, signal);
      if (record !== null && record.finishedAtMs === null) return "claimed";
    } catch (thrown) {
      await life.session.release(claimOf(id));
      throw thrown;
    }
    await life.session.release(claimOf(id));
    return "over";
  }

  /** Why a job that was handed out too often is given up before it is tried again; null: it is not. */
  async #endlessness(delivery: Delivery): Promise<string | null> {
    if (delivery.deliveries <= this.#parts.maxDeliveries * ENDLESS) return null;
    const reason = `it was handed out ${delivery.deliveries - 1} times and never came to its end: its nodes stopped, or gave it back`;
    await this.#bury(delivery, reason);
    return reason;
  }

  async #bury(delivery: Delivery, reason: string): Promise<void> {
    const { queue, metrics, logger } = this.#parts;
    metrics.buried();
    const isKept = (await queue?.bury(delivery, reason)) ?? false;
    logger.error({ job: delivery.job.id, collection: delivery.job.collection, reason, isKept }, "a job was given up");
  }

  /** The queue hears of what is worked on; a node that stops is silent, and its jobs go to others. */
  async #showWork(life: Life): Promise<void> {
    const { signal } = life.end;
    while (!signal.aborted) {
      await this.#parts.clock.sleep(WORKING_MS, signal).catch(() => {}); // the loop looks at the signal
      if (!signal.aborted) this.#held.showWork();
    }
  }

  #letGo(jobId: string): void {
    if (this.#held.remove(jobId)) void this.#life?.session.release(claimOf(jobId));
  }

  #tell(jobId: string): void {
    const { queue, documents } = this.#parts;
    if (queue === null) return;
    const tell = async () => {
      const job = await documents.getJob(jobId, AbortSignal.timeout(CALL_LIMIT_MS));
      if (job !== null) queue.tell(job);
    };
    tell().catch(() => {}); // who listens hears of the next step
  }

  /** Doubled with each delivery; half of it is drawn. */
  #delayOf(delivery: Delivery | null): number {
    const fullMs = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min((delivery?.deliveries ?? 1) - 1, 20));
    return fullMs / 2 + (fullMs / 2) * this.#parts.random.next();
  }
}
