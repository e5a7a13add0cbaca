import type { Clock } from "../../../runtime/clock.ts";
import { type KennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import type { DocumentStore, JobRecord } from "../../document_store/document_store.ts";
import type { Delivery, JobQueue, QueuedJob } from "./job_queue.ts";
import { WorkSession } from "./work_session.ts";

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

/** Jobs taken from the queue at once: enough that collections take turns. */
const MAX_HELD = 16;
const NEXT_WAIT_MS = 5_000;
/** The queue hands a job on when it hears nothing for 10 s. */
const WORKING_MS = 3_000;
const SWEEP_MS = 10_000;
const SWEEP_LIMIT_MS = 30_000;
/** Open jobs given to the queue by one sweep, oldest first. */
const MAX_PUT = 256;
/** Between two looks at a claim that another node has. */
const LOOK_AGAIN_MS = 100;
/** A collection that another node waits for is left to it for this long. */
const YIELD_MS = 400;
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

interface Held {
  readonly job: QueuedJob;
  delivery: Delivery | null;
}

/** From the start of the ingest actor to its end. */
interface Life {
  readonly end: AbortController;
  readonly session: WorkSession;
  readonly taker: JobTaker;
}

/** This node's share of the jobs of all nodes with the same document store. */
export class SharedJobs {
  readonly #parts: SharedJobsParts;
  readonly #held = new Map<string, Held>();
  /** Moments of the monotonic clock until which collections are left to others; those that are over go with the next one. */
  readonly #yielded = new Map<string, number>();
  #life: Life | null = null;
  #openKnown = 0;
  #isLeaving = false;
  /** Open jobs were left because there was no room for them. */
  #isMoreOpen = false;
  /** Called when a job is not held any more. */
  readonly #waiting = new Set<() => void>();

  constructor(parts: SharedJobsParts) {
    this.#parts = parts;
  }

  /** Open jobs of all nodes, as far as this one knows. */
  get backlog(): number {
    return this.#parts.queue?.backlog ?? this.#openKnown;
  }

  begin(taker: JobTaker): void {
    const { documents, leaseMs, clock, random, logger } = this.#parts;
    void this.end(); // an incarnation that has crashed
    const end = new AbortController();
    const onLost = () => taker.handBack();
    const session = new WorkSession({ claims: documents.claims, leaseMs, clock, random, logger, onLost });
    this.#life = { end, session, taker };
    this.#isLeaving = false;
    void this.#sweepOn(this.#life);
    void this.#showWork(this.#life);
    if (this.#parts.queue !== null) void this.#pull(this.#life, this.#parts.queue);
  }

  /** What is still held goes to other nodes. Never rejects. */
  async end(): Promise<void> {
    const life = this.#life;
    if (life === null) return;
    this.#life = null;
    life.end.abort(new Error("The ingest actor stops"));
    for (const { delivery } of this.#held.values()) delivery?.retry(0);
    this.#held.clear();
    this.#noteFreed();
    await life.session.end();
  }

  /** Takes no further jobs; resolves when what was held has been given back, or after `limitMs`. */
  async leave(limitMs: number): Promise<void> {
    const life = this.#life;
    if (life === null) return;
    this.#isLeaving = true;
    life.taker.handBack();
    const limit = AbortSignal.any([life.end.signal, AbortSignal.timeout(limitMs)]);
    while (this.#held.size > 0 && !limit.aborted) await this.#untilFreed(limit);
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
    if (!waits && this.#isYielded(collection)) return null;
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
      if (await session.release(name)) this.#yield(collection);
    }
  }

  /** Throws `unavailable` where others may work on what this node has claimed. */
  assertValid(): void {
    this.#life?.session.assertValid();
  }

  /** A job that this node has just put into the document store. */
  async offer(job: JobRecord): Promise<void> {
    this.#openKnown += 1;
    this.#parts.queue?.tell(job);
    if ((await this.#parts.queue?.put(job)) === true || this.#isLeaving) return;
    await this.#take(job, null);
  }

  /** The job needs no more work: it has ended, or is gone from the document store (S2). */
  ended(jobId: string): void {
    this.#openKnown = Math.max(0, this.#openKnown - 1);
    this.#tell(jobId);
    this.#held.get(jobId)?.delivery?.done();
    this.#letGo(jobId);
  }

  /** How far the job is has changed. */
  progressed(jobId: string): void {
    this.#tell(jobId);
  }

  /** Another node may have the job. */
  givenBack(jobId: string): void {
    this.#held.get(jobId)?.delivery?.retry(0);
    this.#letGo(jobId);
  }

  /**
   * What becomes of a job whose step has failed for no outage's reason. One that is `returned` is not held any more; for one
   * that is `buried` the caller writes its end and says `ended`.
   * @param faults steps that have failed so in a row
   */
  async judge(jobId: string, faults: number, error: KennelError): Promise<Verdict> {
    const delivery = this.#held.get(jobId)?.delivery ?? null;
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
    return { held: [...this.#held.keys()], open: this.#openKnown, queue: this.#parts.queue?.describe() ?? null };
  }

  async #pull(life: Life, queue: JobQueue): Promise<void> {
    const { clock, maxParallel, metrics } = this.#parts;
    const { signal } = life.end;
    while (!signal.aborted && !this.#isLeaving) {
      if (this.#held.size >= MAX_HELD)
        await this.#untilFreed(signal); // S4
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
    this.#held.set(job.id, { job, delivery }); // while it is claimed
    try {
      const outcome = await this.#claim(life, job);
      if (this.#life !== life) return delivery?.retry(0);
      if (outcome === "claimed") {
        const giveUp = delivery === null ? null : await this.#endlessness(delivery);
        const isInherited = isSwept && this.#parts.queue === null;
        if (!life.taker.take({ id: job.id, collection: job.collection, giveUp, isInherited })) this.givenBack(job.id);
        return;
      }
      this.#held.delete(job.id);
      this.#noteFreed();
      if (outcome === "over") delivery?.done();
      else delivery?.retry(Math.min(MAX_ELSEWHERE_MS, this.#delayOf(delivery)));
    } catch (thrown) {
      if (this.#life !== life) return delivery?.retry(0); // what is held now is the next one's
      this.#held.delete(job.id);
      this.#noteFreed();
      this.#parts.logger.warn({ job: job.id, code: toKennelError(thrown).code }, "a job could not be taken up now");
      delivery?.retry(this.#delayOf(delivery));
    }
  }

  /** S1 */
  async #claim(life: Life, { id }: QueuedJob): Promise<"claimed" | "elsewhere" | "over"> {
    const signal = AbortSignal.any([life.end.signal, AbortSignal.timeout(SWEEP_LIMIT_MS)]);
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

  /** S3: every `SWEEP_MS`, not in step with other nodes. */
  async #sweepOn(life: Life): Promise<void> {
    const { clock, random, logger } = this.#parts;
    const { signal } = life.end;
    while (!signal.aborted) {
      await this.#sweep(life).catch((thrown: unknown) => {
        if (!signal.aborted) logger.debug({ code: toKennelError(thrown).code }, "open jobs were not looked for");
      });
      const pause = new AbortController();
      const either = AbortSignal.any([signal, pause.signal]);
      const time = clock.sleep(SWEEP_MS * (0.75 + random.next() / 2), either).catch(() => {}); // the loop looks at the signal
      await (this.#isMoreOpen ? Promise.race([time, this.#untilFreed(either)]) : time);
      pause.abort();
    }
  }

  async #sweep(life: Life): Promise<void> {
    const { documents, queue } = this.#parts;
    const signal = AbortSignal.any([life.end.signal, AbortSignal.timeout(SWEEP_LIMIT_MS)]);
    const open = await documents.openJobs(signal);
    this.#openKnown = open.length;
    if (this.#isLeaving) return;
    const claimed = await documents.claims.claimed(signal);
    const free = open.filter(({ id }) => !this.#held.has(id) && !claimed.has(claimOf(id)));
    let isPutting = queue !== null;
    this.#isMoreOpen = false;
    for (const job of free.slice(0, MAX_PUT)) {
      if (signal.aborted) return;
      isPutting = isPutting && ((await queue?.put(job)) ?? false);
      if (isPutting) continue;
      // Where others may have their part in it, no more is taken than there is room for.
      this.#isMoreOpen = queue !== null && this.#held.size >= MAX_HELD;
      if (this.#isMoreOpen) return;
      await this.#take(job, null, true);
    }
  }

  /** The queue hears of what is worked on; a node that stops is silent, and its jobs go to others. */
  async #showWork(life: Life): Promise<void> {
    const { signal } = life.end;
    while (!signal.aborted) {
      await this.#parts.clock.sleep(WORKING_MS, signal).catch(() => {}); // the loop looks at the signal
      if (!signal.aborted) for (const { delivery } of this.#held.values()) delivery?.working();
    }
  }

  #letGo(jobId: string): void {
    if (!this.#held.delete(jobId)) return;
    void this.#life?.session.release(claimOf(jobId));
    this.#noteFreed();
  }

  #noteFreed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #tell(jobId: string): void {
    const { queue, documents } = this.#parts;
    if (queue === null) return;
    const tell = async () => {
      const job = await documents.getJob(jobId, AbortSignal.timeout(SWEEP_LIMIT_MS));
      if (job !== null) queue.tell(job);
    };
    tell().catch(() => {}); // who listens hears of the next step
  }

  #yield(collection: string): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const [name, untilMs] of this.#yielded) if (untilMs <= nowMs) this.#yielded.delete(name);
    this.#yielded.set(collection, nowMs + YIELD_MS);
  }

  #isYielded(collection: string): boolean {
    const untilMs = this.#yielded.get(collection);
    if (untilMs === undefined) return false;
    if (untilMs > this.#parts.clock.monotonicMs()) return true;
    this.#yielded.delete(collection);
    return false;
  }

  /** Doubled with each delivery; half of it is drawn. */
  #delayOf(delivery: Delivery | null): number {
    const fullMs = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min((delivery?.deliveries ?? 1) - 1, 20));
    return fullMs / 2 + (fullMs / 2) * this.#parts.random.next();
  }

  async #untilFreed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

function claimOf(jobId: string): string {
  return `job ${jobId}`;
}
