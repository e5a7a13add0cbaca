import { unlessAborted } from "../../../runtime/cancellation.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { Slots } from "../../../runtime/slots.ts";
import type { ParentPassage } from "../../document_store/document_record.ts";
import type { ChunkRow } from "../../vector_store/vector_store.ts";
import { MemoryIndex, type SearchMeans } from "./memory_index.ts";
import { type Analyzer, loadAnalyzer } from "./resident/analyzer.ts";
import type { IndexImage } from "./resident/image.ts";
import type { BuildPage } from "./resident/index_tasks.ts";
import type { IndexWorkshop } from "./resident/index_workshop.ts";
import type { KernelModule } from "./resident/kernels.ts";
import type { ParentTexts } from "./resident/parent_texts.ts";
import { ResidentIndex } from "./resident/resident_index.ts";

// Invariants:
//   Y1. A snapshot is taken for the index version it says only while nothing was written since without a version of its own.
//   Y2. Nothing is written to a snapshot's place but a whole snapshot, and a snapshot is never needed: the store has it all.
//   Y3. Writes are applied in the order in which the store has acknowledged them.

/** One change of a build's rows, as the store has it: afterwards `rows` are all there is of `documentIds`. */
export interface IndexWrite {
  readonly documentIds: readonly string[];
  readonly rows: readonly ChunkRow[];
  /** All parents of the rows; null: the document store is asked for them. */
  readonly parents: ParentTexts;
}

/** Parents that the document store is asked for in one call. */
const PARENTS_PAGE = 256;

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
  /** Time that a write waits for parents that it did not bring along; after it they are left to the searches. */
  readonly parentsLimitMs: number;
  /** Time that a retriever's start waits for a snapshot that is being loaded; after it the store answers meanwhile. */
  readonly loadPatienceMs: number;
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
  readonly search: SearchMeans;
  /** Builds side by side: each holds the rows it has read. */
  readonly builds: Slots;
  /** Loads side by side, and those that may wait; beyond it the store answers until a later search. */
  readonly loads: Slots;
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
  /** Those of these parents that the document store has. */
  readonly parents: (ids: readonly string[], signal: AbortSignal) => Promise<readonly ParentPassage[]>;
}

/** Makes, writes and saves the index in memory of one collection; its retriever decides when. */
export class Residency {
  readonly limits: ResidencyLimits;
  readonly clock: Clock;
  readonly #parts: ResidencyParts;
  readonly #collection: ResidentCollection;
  #analyzer: Analyzer | null = null;
  /** Settles when the writes before have been applied (Y3). */
  #writes: Promise<unknown> = Promise.resolve();

  constructor(parts: ResidencyParts, collection: ResidentCollection) {
    this.limits = parts.limits;
    this.clock = parts.clock;
    this.#parts = parts;
    this.#collection = collection;
  }

  /** Whether a load would begin at once. */
  get canLoadNow(): boolean {
    const { loads } = this.#parts;
    return loads.taken < loads.places;
  }

  /**
   * The index as it was saved, where that is the newest version; null: there is none of use. Rejects with `overloaded` when
   * too many wait to be loaded.
   */
  async load(indexVersion: number, signal: AbortSignal): Promise<MemoryIndex | null> {
    const { language, dimensions, snapshotPath, isSnapshotCurrent } = this.#collection;
    if (!isSnapshotCurrent()) return null;
    const release = await this.#parts.loads.take(signal);
    try {
      const outcome = await this.#parts.workshop.load(snapshotPath, { indexVersion, language, dimensions }, signal);
      return outcome.kind === "loaded" && isSnapshotCurrent() ? await this.open(outcome.image) : null;
    } finally {
      release();
    }
  }

  /** Makes the index of every row the store has now. Rejects with `storage_full` when it is too large to be resident. */
  async build(indexVersion: number, signal: AbortSignal): Promise<MemoryIndex> {
    const { limits, workshop, builds } = this.#parts;
    const { language, dimensions, scan } = this.#collection;
    const options = { indexVersion, language, dimensions, bitsFromRows: limits.bitsFromRows };
    const release = await builds.take(signal);
    try {
      return await this.open(await workshop.build(this.#pages(scan(limits.scanPageRows, signal), signal), options, signal));
    } finally {
      release();
    }
  }

  async *#pages(pages: AsyncIterable<readonly ChunkRow[]>, signal: AbortSignal): AsyncIterable<BuildPage> {
    for await (const rows of pages) yield { rows, parents: await this.#parentsOf(rows, signal) };
  }

  async #parentsOf(rows: readonly ChunkRow[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const ids = new Set<string>();
    for (const { parentId } of rows) if (parentId !== null) ids.add(parentId);
    const wanted = [...ids];
    const texts = new Map<string, string>();
    for (let from = 0; from < wanted.length; from += PARENTS_PAGE) {
      for (const { id, text } of await this.#collection.parents(wanted.slice(from, from + PARENTS_PAGE), signal)) texts.set(id, text);
    }
    return texts;
  }

  /** Null: the document store has not given them in time; it is asked again by the searches that show them. */
  async #parentsOfWrite({ rows, parents }: IndexWrite, signal: AbortSignal): Promise<ParentTexts> {
    if (parents !== null) return parents;
    const limit = new AbortController();
    const timer = this.clock.setTimer(this.limits.parentsLimitMs, () => limit.abort(kennelError("deadline_exceeded")));
    const limited = AbortSignal.any([signal, limit.signal]);
    try {
      return await unlessAborted(this.#parentsOf(rows, limited), limited);
    } catch {
      return null;
    } finally {
      timer.cancel();
    }
  }

  /** Rejects with `storage_full` when the index is too large to be resident. */
  async open(image: IndexImage): Promise<MemoryIndex> {
    const { kernels, limits, search } = this.#parts;
    this.#analyzer ??= await loadAnalyzer(this.#collection.language);
    const { bitsFromRows, mergeFromRows } = limits;
    const rows = new ResidentIndex(image, { kernels, analyzer: this.#analyzer, bitsFromRows, mergeFromRows });
    const index = new MemoryIndex(rows, search);
    this.#refuseTooLarge(index);
    return index;
  }

  /**
   * Applies a write in slices between which the event loop turns (Y3). A document is changed as a whole. Rejects with
   * `storage_full` when the index has become too large to be resident, or memory was refused.
   */
  write(index: MemoryIndex, write: IndexWrite, signal: AbortSignal): Promise<void> {
    const written = this.#writes.then(() => this.#apply(index, write, signal));
    this.#writes = written.catch(() => undefined); // whoever asked for it hears of it
    return written;
  }

  async #apply(index: MemoryIndex, write: IndexWrite, signal: AbortSignal): Promise<void> {
    const { documentIds, rows } = write;
    const hasParents = rows.some(({ parentId }) => parentId !== null);
    const parents = hasParents ? await this.#parentsOfWrite(write, signal) : null;
    const rowsOf = new Map<string, ChunkRow[]>(documentIds.map((id) => [id, []]));
    for (const row of rows) rowsOf.get(row.documentId)?.push(row);
    let slice: { ids: string[]; rows: ChunkRow[] } = { ids: [], rows: [] };
    for (const [id, own] of rowsOf) {
      slice.ids.push(id);
      slice.rows.push(...own);
      if (slice.rows.length < this.limits.writeSliceRows) continue;
      index.write(slice.ids, slice.rows, parents);
      slice = { ids: [], rows: [] };
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    if (slice.ids.length > 0) index.write(slice.ids, slice.rows, parents);
    this.#refuseTooLarge(index);
  }

  #refuseTooLarge({ bytes, rows }: MemoryIndex): void {
    const { maxBytes, maxRows } = this.limits;
    if (bytes <= maxBytes && rows.liveRows <= maxRows) return;
    throw kennelError("storage_full", {
      message: `Index takes ${bytes} bytes for ${rows.liveRows} chunks, memory pays up to ${maxBytes} bytes and ${maxRows} chunks`,
    });
  }

  /** Moves what was written into the base; searches and writes go on meanwhile. */
  async merge(index: MemoryIndex, signal: AbortSignal): Promise<void> {
    await this.#parts.workshop.merge(index.rows, signal);
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
