import type { Clock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { ChunkRow } from "../../vector_store/vector_store.ts";
import type { Slots } from "../slots.ts";
import { MemoryIndex } from "./memory_index.ts";
import { type Analyzer, loadAnalyzer } from "./resident/analyzer.ts";
import type { IndexImage } from "./resident/image.ts";
import type { IndexWorkshop } from "./resident/index_workshop.ts";
import type { KernelModule } from "./resident/kernels.ts";
import { ResidentIndex } from "./resident/resident_index.ts";

// Invariants:
//   Y1. A snapshot is taken for the index version it says only while nothing was written since without a version of its own.
//   Y2. Nothing is written to a snapshot's place but a whole snapshot, and a snapshot is never needed: the store has it all.
//   Y3. Writes are applied in the order in which the store has acknowledged them.

/** One change of a build's rows, as the store has it: afterwards `rows` are all there is of `documentIds`. */
export interface IndexWrite {
  readonly documentIds: readonly string[];
  readonly rows: readonly ChunkRow[];
}

export interface ResidencyLimits {
  /** Chunks beyond which the store answers. */
  readonly maxRows: number;
  /** Memory of one index beyond which the store answers: what there is for all of them. */
  readonly maxBytes: number;
  /** Rows from which on 1-bit vectors are searched first. */
  readonly bitsFromRows: number;
  /** Written rows from which on they are merged into the base. */
  readonly mergeFromRows: number;
  /** Rows of one page of a build. */
  readonly scanPageRows: number;
  /** Rows that may be written while a build runs; with more it is given up. */
  readonly maxBacklogRows: number;
  /** Rows that are analysed in one go: what a write holds the event loop for. */
  readonly writeSliceRows: number;
  /** Quiet after the last write before a snapshot is saved. */
  readonly saveAfterMs: number;
  /** Time that saving may take when the retriever stops. */
  readonly saveLimitMs: number;
  /** Pause after a build that failed. */
  readonly retryAfterMs: number;
}

/** What residency needs, the same for every collection of a node. */
export interface ResidencyParts {
  readonly clock: Clock;
  readonly workshop: IndexWorkshop;
  readonly kernels: KernelModule;
  /** Builds side by side: each holds the rows it has read. */
  readonly builds: Slots;
  readonly limits: ResidencyLimits;
}

/** What is known of the build of the collection that is to be resident. */
export interface ResidentCollection {
  readonly language: string;
  readonly dimensions: number;
  readonly snapshotPath: string;
  /** Whether a snapshot of the newest index version holds all that was written (Y1). */
  readonly isSnapshotCurrent: () => boolean;
  readonly scan: (pageRows: number, signal: AbortSignal) => AsyncIterable<readonly ChunkRow[]>;
}

/** Makes, writes and saves the index in memory of one collection; its retriever decides when. */
export class Residency {
  readonly limits: ResidencyLimits;
  readonly clock: Clock;
  readonly #parts: ResidencyParts;
  readonly #collection: ResidentCollection;
  #analyzer: Analyzer | null = null;

  constructor(parts: ResidencyParts, collection: ResidentCollection) {
    this.limits = parts.limits;
    this.clock = parts.clock;
    this.#parts = parts;
    this.#collection = collection;
  }

  /** The index as it was saved, where that is the newest version; null: there is none of use. */
  async load(indexVersion: number, signal: AbortSignal): Promise<MemoryIndex | null> {
    const { language, dimensions, snapshotPath, isSnapshotCurrent } = this.#collection;
    if (!isSnapshotCurrent()) return null;
    const outcome = await this.#parts.workshop.load(snapshotPath, { indexVersion, language, dimensions }, signal);
    return outcome.kind === "loaded" && isSnapshotCurrent() ? this.open(outcome.image) : null;
  }

  /** Makes the index of every row the store has now. Rejects with `storage_full` when it is too large to be resident. */
  async build(indexVersion: number, signal: AbortSignal): Promise<MemoryIndex> {
    const { limits, workshop, builds } = this.#parts;
    const { language, dimensions, scan } = this.#collection;
    const options = { indexVersion, language, dimensions, bitsFromRows: limits.bitsFromRows };
    const release = await builds.take(signal);
    try {
      return await this.open(await workshop.build(scan(limits.scanPageRows, signal), options, signal));
    } finally {
      release();
    }
  }

  /** Rejects with `storage_full` when the index is too large to be resident. */
  async open(image: IndexImage): Promise<MemoryIndex> {
    const { kernels, limits } = this.#parts;
    this.#analyzer ??= await loadAnalyzer(this.#collection.language);
    const { bitsFromRows, mergeFromRows } = limits;
    const index = new MemoryIndex(new ResidentIndex(image, { kernels, analyzer: this.#analyzer, bitsFromRows, mergeFromRows }));
    this.#refuseTooLarge(index);
    return index;
  }

  /**
   * Applies a write in slices between which the event loop turns (Y3). A document is changed as a whole. Rejects with
   * `storage_full` when the index has become too large to be resident, or memory was refused.
   */
  async write(index: MemoryIndex, { documentIds, rows }: IndexWrite): Promise<void> {
    const rowsOf = new Map<string, ChunkRow[]>(documentIds.map((id) => [id, []]));
    for (const row of rows) rowsOf.get(row.documentId)?.push(row);
    let slice: { ids: string[]; rows: ChunkRow[] } = { ids: [], rows: [] };
    for (const [id, own] of rowsOf) {
      slice.ids.push(id);
      slice.rows.push(...own);
      if (slice.rows.length < this.limits.writeSliceRows) continue;
      index.write(slice.ids, slice.rows);
      slice = { ids: [], rows: [] };
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    if (slice.ids.length > 0) index.write(slice.ids, slice.rows);
    this.#refuseTooLarge(index);
  }

  #refuseTooLarge({ bytes, resident }: MemoryIndex): void {
    const { maxBytes, maxRows } = this.limits;
    if (bytes <= maxBytes && resident.liveRows <= maxRows) return;
    throw kennelError("storage_full", {
      message: `Index takes ${bytes} bytes for ${resident.liveRows} chunks, memory pays up to ${maxBytes} bytes and ${maxRows} chunks`,
    });
  }

  /** Moves what was written into the base; searches and writes go on meanwhile. */
  async merge(index: MemoryIndex, signal: AbortSignal): Promise<void> {
    await this.#parts.workshop.merge(index.resident, signal);
  }

  /** Saves a snapshot, after a merge where one is needed. False: it was written to meanwhile. */
  async save(index: MemoryIndex, signal: AbortSignal): Promise<boolean> {
    if (index.snapshotImage === null) await this.merge(index, signal);
    const image = index.snapshotImage;
    if (image === null) return false;
    await this.#parts.workshop.save(image, this.#collection.snapshotPath, signal);
    return true;
  }

  /** The last chance to save, within its limit. */
  async saveAtEnd(index: MemoryIndex): Promise<void> {
    const limit = new AbortController();
    const timer = this.clock.setTimer(this.limits.saveLimitMs, () => limit.abort(kennelError("deadline_exceeded")));
    try {
      await this.save(index, limit.signal);
    } finally {
      timer.cancel();
    }
  }
}
