import type { Delivery, QueuedJob } from "./job_queue.ts";

/** Jobs taken from the queue at once: enough that collections take turns. */
export const MAX_HELD = 16;

/** What the claim of a job is called in the document store. */
export function claimOf(jobId: string): string {
  return `job ${jobId}`;
}

/** A job that this node has claimed or is claiming. */
export interface HeldJob {
  readonly job: QueuedJob;
  /** Null: it did not come from the queue. */
  delivery: Delivery | null;
}

/** The jobs that this node holds, each once, and who waits for room among them. */
export class HeldJobs {
  readonly #jobs = new Map<string, HeldJob>();
  /** Called when a job is not held any more; one for each loop that waits. */
  readonly #waiting = new Set<() => void>();

  get size(): number {
    return this.#jobs.size;
  }

  get ids(): readonly string[] {
    return [...this.#jobs.keys()];
  }

  get(jobId: string): HeldJob | undefined {
    return this.#jobs.get(jobId);
  }

  has(jobId: string): boolean {
    return this.#jobs.has(jobId);
  }

  deliveryOf(jobId: string): Delivery | null {
    return this.#jobs.get(jobId)?.delivery ?? null;
  }

  add(job: QueuedJob, delivery: Delivery | null): void {
    this.#jobs.set(job.id, { job, delivery });
  }

  /** @returns whether it was held */
  remove(jobId: string): boolean {
    const wasHeld = this.#jobs.delete(jobId);
    if (wasHeld) this.#noteFreed();
    return wasHeld;
  }

  /** The queue hears that all of them are being worked on. */
  showWork(): void {
    for (const { delivery } of this.#jobs.values()) delivery?.working();
  }

  /** The queue hands all of them to others. */
  giveBackAll(): void {
    for (const { delivery } of this.#jobs.values()) delivery?.retry(0);
    this.#jobs.clear();
    this.#noteFreed();
  }

  /** Resolves when a job is not held any more, or the signal aborts. */
  async untilFreed(signal: AbortSignal): Promise<void> {
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

  #noteFreed(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
