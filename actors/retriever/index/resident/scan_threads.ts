import { unlessAborted } from "../../../../runtime/cancellation.ts";
import type { Clock } from "../../../../runtime/clock.ts";
import { SharedSlots } from "../../../../runtime/shared_slots.ts";
import { createWorkerPool, type WorkerPool } from "../../../../runtime/worker_pool.ts";
import type { SearchOptions } from "../../../vector_store/vector_store.ts";
import type { PlannedScan, ResidentIndex, ScannedBase } from "./resident_index.ts";
import type { ScanResult, ScanTask } from "./scan_thread.ts";

export interface ScanThreadOptions {
  /** Threads, and so scans at once. */
  readonly threads: number;
  /** Rows of an index from which on a scan would hold the event loop for too long. */
  readonly fromRows: number;
  /** Scans of one index that may wait for a thread; what comes beyond is done by its owner's thread. */
  readonly maxWaiting: number;
  /** Time a scan may take in its thread, which is then ended: it takes some milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface ScanCounts {
  /** Scans that a thread has done. */
  readonly done: number;
  /** Scans that their owner's thread had to do: too many waited, a thread broke off, or there was no memory for it. */
  readonly refused: number;
}

/**
 * Scans of large indexes in threads of their own, over the index's shared memory; the indexes take turns. A scan that no thread can do is left to
 * its owner's thread: the answer is the same, only the event loop is held longer.
 */
export class ScanThreads {
  readonly #options: ScanThreadOptions;
  readonly #pool: WorkerPool<ScanTask, ScanResult>;
  readonly #slots: SharedSlots<ResidentIndex>;
  #done = 0;
  #refused = 0;

  constructor(options: ScanThreadOptions) {
    this.#options = options;
    this.#slots = new SharedSlots({ places: options.threads, maxShare: 1, maxWaiting: options.maxWaiting });
    this.#pool = createWorkerPool<ScanTask, ScanResult>({
      name: "index scan",
      entry: new URL("./scan_thread.ts", import.meta.url),
      data: null,
      maxThreads: options.threads,
      maxQueue: options.threads,
      // What a scan writes is room of its own, so that ending it in the middle tears nothing.
      whenLate: "terminate",
      clock: options.clock,
    });
  }

  get counts(): ScanCounts {
    return { done: this.#done, refused: this.#refused };
  }

  isFor(index: Pick<ResidentIndex, "liveRows">): boolean {
    return index.liveRows > this.#options.fromRows;
  }

  /**
   * What a thread finds in the index's base. Null: its owner has to look itself. Rejects when the signal aborts, and with
   * `invalid_request` as `ResidentIndex.searchVector` does.
   */
  async scan(index: ResidentIndex, vector: Float32Array, options: SearchOptions, signal: AbortSignal): Promise<ScannedBase | null> {
    const release = await this.#slots.take(index, signal).catch(() => null);
    if (release === null) return this.#refuse(signal);
    let planned: PlannedScan | null = null;
    try {
      planned = index.planScan(vector, options);
    } finally {
      if (planned === null) release();
    }
    if (planned === null) return null;
    const { memory, plan, read, end } = planned;
    const { timeoutMs } = this.#options;
    // The thread goes on when its caller has left, so that its room is given back only when nobody writes there any more.
    const scanned = this.#pool
      .run({ memory, plan, vector }, { timeoutMs, signal: new AbortController().signal })
      .then(({ size, factor }) => {
        const found = read(size, factor);
        end();
        this.#done++;
        return found;
      });
    scanned.then(release, release);
    try {
      return await unlessAborted(scanned, signal);
    } catch {
      return this.#refuse(signal);
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #refuse(signal: AbortSignal): null {
    signal.throwIfAborted();
    this.#refused++;
    return null;
  }
}
