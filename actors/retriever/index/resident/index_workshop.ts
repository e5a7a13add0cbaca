import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import type { Clock } from "../../../../runtime/clock.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { createWorkerPool, type WorkerPool } from "../../../../runtime/worker_pool.ts";
import type { AssemblyOptions } from "./assemble.ts";
import type { IndexImage } from "./image.ts";
import type { BuildPage, IndexResult, IndexTask, IndexThreadData } from "./index_tasks.ts";
import type { ResidentIndex } from "./resident_index.ts";
import type { SnapshotExpectation, SnapshotOutcome } from "./snapshot.ts";

export interface WorkshopOptions {
  /** Tasks that wait for each thread; a build adds one at a time. */
  readonly maxQueue: number;
  /** Time for one task: a page of a build, an assembly, a merge, a file. */
  readonly taskTimeoutMs: number;
  /** Rows of one build; with more the collection is too large to be resident. */
  readonly maxRows: number;
  readonly clock: Clock;
}

/** Rows that go to the thread in one turn of the event loop: about a millisecond, what they are copied for. */
const SLICE_ROWS = 50;
/** Rows and documents that are applied to a merge's result in one turn: about a millisecond, for each is looked up and put into a table. */
const CATCH_UP_ROWS = 16;

/**
 * Where images are made: a thread a node that builds, merges and saves, and one that loads, each one task at a time, so that
 * no load waits behind a save. What it rejects with: `overloaded`, `deadline_exceeded`,
 * `cancelled`, `unavailable` (the thread died), `storage_full` (memory or disk refused).
 */
export class IndexWorkshop {
  readonly #makers: WorkerPool<IndexTask, IndexResult>;
  readonly #loaders: WorkerPool<IndexTask, IndexResult>;
  readonly #options: WorkshopOptions;

  constructor(options: WorkshopOptions) {
    this.#options = options;
    const pool = (name: string, isInBackground: boolean) =>
      createWorkerPool<IndexTask, IndexResult>({
        name,
        entry: new URL("./index_thread.ts", import.meta.url),
        data: { isInBackground } satisfies IndexThreadData,
        // Staged rows lie in the thread, so a second one would look for them in vain.
        maxThreads: 1,
        maxQueue: options.maxQueue,
        whenLate: "finish",
        clock: options.clock,
      });
    this.#makers = pool("index", true);
    this.#loaders = pool("index loader", false);
  }

  /** Makes an image of every row of `pages`. */
  async build(pages: AsyncIterable<BuildPage>, options: AssemblyOptions, signal: AbortSignal): Promise<IndexImage> {
    const build = randomUUID();
    let isDone = false;
    try {
      let sent = 0;
      for await (const page of pages) {
        sent += page.rows.length;
        if (sent > this.#options.maxRows) {
          throw kennelError("storage_full", { message: `Index has more than ${this.#options.maxRows} chunks: too many to be resident` });
        }
        const { rows: staged } = await this.#run("staged", { kind: "stage", build, page, options }, signal);
        // A thread that died between two pages has taken the earlier ones with it.
        if (staged !== sent) throw interrupted();
      }
      const { image } = await this.#run("image", { kind: "assemble", build, options }, signal);
      isDone = true;
      if (image.header.rows !== sent) throw interrupted();
      return image;
    } finally {
      // Cancelled or not, nothing may stay behind in the thread.
      if (!isDone) this.#discard(build);
    }
  }

  /** Merges what was written into the base; searches and writes go on meanwhile. False: the index needs no merge, or has one under way. */
  async merge(index: ResidentIndex, signal: AbortSignal): Promise<boolean> {
    if (index.isMerging || index.unmergedRows === 0) return false;
    const { base, fresh, options } = index.beginMerge();
    const build = randomUUID();
    let isDone = false;
    try {
      for (let from = 0; from < fresh.length; from += SLICE_ROWS) {
        const rows = fresh.slice(from, from + SLICE_ROWS);
        const { rows: staged } = await this.#run("staged", { kind: "stagePrepared", build, rows }, signal);
        if (staged !== from + rows.length) throw interrupted();
      }
      const { image } = await this.#run("image", { kind: "merge", build, base, options }, signal);
      isDone = true;
      for (const _ of index.completing(image, CATCH_UP_ROWS)) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
        signal.throwIfAborted();
      }
      return true;
    } finally {
      index.abandonMerge();
      if (!isDone) this.#discard(build);
    }
  }

  /** Writes the image to `path`, in one piece or not at all. @returns the file's bytes */
  async save(image: IndexImage, path: string, signal: AbortSignal): Promise<number> {
    const { bytes } = await this.#run("saved", { kind: "save", image, path }, signal);
    return bytes;
  }

  async load(path: string, expected: SnapshotExpectation, signal: AbortSignal): Promise<SnapshotOutcome> {
    // A thread is not started to find that there is nothing to load.
    if ((await stat(path).catch(() => null)) === null) return { kind: "missing" };
    const { outcome } = await this.#run("snapshot", { kind: "load", path, expected }, signal);
    return outcome;
  }

  async close(): Promise<void> {
    await Promise.all([this.#makers.close(), this.#loaders.close()]);
  }

  #discard(build: string): void {
    this.#run("discarded", { kind: "discard", build }, new AbortController().signal).catch(() => undefined);
  }

  async #run<Kind extends IndexResult["kind"]>(
    kind: Kind,
    task: IndexTask,
    signal: AbortSignal,
  ): Promise<Extract<IndexResult, { kind: Kind }>> {
    const pool = task.kind === "load" ? this.#loaders : this.#makers;
    const result = await pool.run(task, { timeoutMs: this.#options.taskTimeoutMs, signal });
    if (result.kind !== kind) throw new TypeError(`The index thread answered ${task.kind} with ${result.kind}`);
    return result as Extract<IndexResult, { kind: Kind }>;
  }
}

function interrupted(): Error {
  return kennelError("unavailable", { message: "The index thread broke off between two steps", retryAfterMs: 1000 });
}
