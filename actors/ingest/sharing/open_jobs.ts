import type { Clock } from "../../../runtime/clock.ts";
import { toKennelError } from "../../../runtime/errors.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import { claimOf, type HeldJobs, MAX_HELD } from "./held_jobs.ts";
import type { JobQueue, QueuedJob } from "./job_queue.ts";

export interface OpenJobsParts {
  readonly documents: Pick<DocumentStore, "claims" | "openJobs">;
  /** Null: nodes have none in common. */
  readonly queue: JobQueue | null;
  readonly held: HeldJobs;
  /** Whether this node takes no further jobs. */
  readonly isLeaving: () => boolean;
  /** Never rejects. */
  readonly take: (job: QueuedJob) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const SWEEP_MS = 10_000;
const SWEEP_LIMIT_MS = 30_000;
/** Open jobs given to the queue by one sweep, oldest first. */
const MAX_PUT = 256;

/** Looks regularly for open jobs that nobody has, and gives them to the queue, or takes them where the queue does not (S3 of shared_jobs.ts). */
export class OpenJobs {
  readonly #parts: OpenJobsParts;
  #known = 0;
  /** Open jobs were left because there was no room for them. */
  #isMore = false;

  constructor(parts: OpenJobsParts) {
    this.#parts = parts;
  }

  /** Open jobs of all nodes, as far as this one knows. */
  get known(): number {
    return this.#known;
  }

  added(): void {
    this.#known += 1;
  }

  ended(): void {
    this.#known = Math.max(0, this.#known - 1);
  }

  /** Every `SWEEP_MS`, not in step with other nodes, until the signal aborts. Never rejects. */
  async sweepOn(signal: AbortSignal): Promise<void> {
    const { held, clock, random, logger } = this.#parts;
    while (!signal.aborted) {
      await this.#sweep(signal).catch((thrown: unknown) => {
        if (!signal.aborted) logger.debug({ code: toKennelError(thrown).code }, "open jobs were not looked for");
      });
      const pause = new AbortController();
      const either = AbortSignal.any([signal, pause.signal]);
      const time = clock.sleep(SWEEP_MS * (0.75 + random.next() / 2), either).catch(() => {}); // the loop looks at the signal
      await (this.#isMore ? Promise.race([time, held.untilFreed(either)]) : time);
      pause.abort();
    }
  }

  async #sweep(ended: AbortSignal): Promise<void> {
    const { documents, queue, held, isLeaving, take } = this.#parts;
    const signal = AbortSignal.any([ended, AbortSignal.timeout(SWEEP_LIMIT_MS)]);
    const open = await documents.openJobs(signal);
    this.#known = open.length;
    if (isLeaving()) return;
    const claimed = await documents.claims.claimed(signal);
    const free = open.filter(({ id }) => !held.has(id) && !claimed.has(claimOf(id)));
    let isPutting = queue !== null;
    this.#isMore = false;
    for (const job of free.slice(0, MAX_PUT)) {
      if (signal.aborted || isLeaving()) return;
      isPutting = isPutting && ((await queue?.put(job)) ?? false);
      if (isPutting) continue;
      // Where others may have their part in it, no more is taken than there is room for.
      this.#isMore = queue !== null && held.size >= MAX_HELD;
      if (this.#isMore) return;
      await take(job);
    }
  }
}
