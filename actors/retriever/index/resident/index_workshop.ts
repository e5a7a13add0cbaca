import { randomUUID } from "node:crypto";
import type { Clock } from "../../../../runtime/clock.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { createWorkerPool, type WorkerPool } from "../../../../runtime/worker_pool.ts";
import type { ChunkRow } from "../../../vector_store/vector_store.ts";
import type { AssemblyOptions } from "./assemble.ts";
import type { IndexImage } from "./image.ts";
import type { IndexResult, IndexTask } from "./index_tasks.ts";
import type { ResidentIndex } from "./resident_index.ts";
import type { SnapshotExpectation, SnapshotOutcome } from "./snapshot.ts";

export interface WorkshopOptions {
  /** Tasks that wait for the thread; a build adds one at a time. */
  readonly maxQueue: number;
  /** Time for one task: a page of a build, an assembly, a merge, a file. */
  readonly taskTimeoutMs: number;
  /** Rows of one build; with more the collection is too large to be resident. */
  readonly maxRows: number;
  readonly clock: Clock;
}

/**
 * Where images are made: one thread a node, one task at a time. What it rejects with: `overloaded`, `deadline_exceeded`,
 * `cancelled`, `unavailable` (the thread died), `storage_full` (memory or disk refused).
 */
export class IndexWorkshop {
  readonly #pool: WorkerPool<IndexTask, IndexResult>;
  readonly #options: WorkshopOptions;

  constructor(options: WorkshopOptions) {
    this.#options = options;
    this.#pool = createWorkerPool<IndexTask, IndexResult>({
      name: "index",
      entry: new URL("./index_thread.ts", import.meta.url),
      data: null,
      // Staged rows lie in the thread, so a second one would look for them in vain.
      maxThreads: 1,
      maxQueue: options.maxQueue,
      whenLate: "finish",
      clock: options.clock,
    });
  }

  /** Makes an image of every row of `pages`. */
  async build(pages: AsyncIterable<readonly ChunkRow[]>, options: AssemblyOptions, signal: AbortSignal): Promise<IndexImage> {
    const build = randomUUID();
    let isDone = false;
    try {
      let sent = 0;
      for await (const rows of pages) {
        sent += rows.length;
        if (sent > this.#options.maxRows) {
          throw kennelError("storage_full", { message: `Index has more than ${this.#options.maxRows} chunks: too many to be resident` });
        }
        const { rows: staged } = await this.#run("staged", { kind: "stage", build, rows, options }, signal);
        // A thread that died between two pages has taken the earlier ones with it.
        if (staged !== sent) throw kennelError("unavailable", { message: "Index build was interrupted", retryAfterMs: 1000 });
      }
      const { image } = await this.#run("image", { kind: "assemble", build, options }, signal);
      isDone = true;
      if (image.header.rows !== sent) throw kennelError("unavailable", { message: "Index build was interrupted", retryAfterMs: 1000 });
      return image;
    } finally {
      // Cancelled or not, nothing may stay behind in the thread.
      if (!isDone) this.#run("discarded", { kind: "discard", build }, new AbortController().signal).catch(() => undefined);
    }
  }

  /** Merges what was written into the base; searches and writes go on meanwhile. False: the index needs no merge, or has one under way. */
  async merge(index: ResidentIndex, signal: AbortSignal): Promise<boolean> {
    if (index.isMerging || index.unmergedRows === 0) return false;
    const input = index.beginMerge();
    try {
      const { image } = await this.#run("image", { kind: "merge", input }, signal);
      index.completeMerge(image);
      return true;
    } finally {
      index.abandonMerge();
    }
  }

  /** Writes the image to `path`, in one piece or not at all. @returns the file's bytes */
  async save(image: IndexImage, path: string, signal: AbortSignal): Promise<number> {
    const { bytes } = await this.#run("saved", { kind: "save", image, path }, signal);
    return bytes;
  }

  async load(path: string, expected: SnapshotExpectation, signal: AbortSignal): Promise<SnapshotOutcome> {
    const { outcome } = await this.#run("snapshot", { kind: "load", path, expected }, signal);
    return outcome;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #run<Kind extends IndexResult["kind"]>(
    kind: Kind,
    task: IndexTask,
    signal: AbortSignal,
  ): Promise<Extract<IndexResult, { kind: Kind }>> {
    const result = await this.#pool.run(task, { timeoutMs: this.#options.taskTimeoutMs, signal });
    if (result.kind !== kind) throw new TypeError(`The index thread answered ${task.kind} with ${result.kind}`);
    return result as Extract<IndexResult, { kind: Kind }>;
  }
}
