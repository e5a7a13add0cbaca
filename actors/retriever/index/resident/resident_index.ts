// Invariants:
//   X1. One writer: every method runs within a turn of the owner's and none of them waits, so nothing needs a lock.
//   X2. A write is all or nothing, and the next search sees it. A refused one (`storage_full`) has changed nothing.
//   X3. A deleted row is brought up by no search, from the moment of the delete, merge or no merge.
//   X4. A merge works on what stood when it began; writes that come meanwhile are kept and applied to its result.
//   X5. Row numbers are those of one moment: they hold until the next write or merge.
import { kennelError } from "../../../../runtime/errors.ts";
import type { ChunkRow, SearchOptions } from "../../../vector_store/vector_store.ts";
import type { ParentText, ReadyPassage } from "../passage.ts";
import type { Analyzer } from "./analyzer.ts";
import type { AssemblyOptions } from "./assemble.ts";
import type { Base, WeightedTerm } from "./base.ts";
import type { Delta } from "./delta.ts";
import { Generation, type Write } from "./generation.ts";
import { mergeHits, NO_HITS, type RowHits } from "./hits.ts";
import type { IndexImage, RowNames } from "./image.ts";
import type { KernelModule } from "./kernels.ts";
import { type ParentTexts, ParentWriter } from "./parent_texts.ts";
import { compareIds, type PreparedRow, prepareRow } from "./prepared_row.ts";
import { type FusedRows, type FusionMethod, RowFusion, type WeightedHits } from "./row_fusion.ts";
import type { ScanPlan } from "./vector_scan.ts";

export interface ResidentOptions {
  readonly kernels: KernelModule;
  /** Of the image's language. */
  readonly analyzer: Analyzer;
  /** Rows from which on 1-bit vectors come first. @default 20000 */
  readonly bitsFromRows: number;
  /** Written or deleted rows from which on a merge is worth while. @default 1000 */
  readonly mergeFromRows: number;
}

/** Of the rows written or deleted, in an index so large that `mergeFromRows` would merge it all the time. */
const MERGE_FROM_SHARE = 0.1;

/** What a merge works on: plain data and shared memory, so that a thread can do it. */
export interface MergeInput {
  readonly base: { readonly image: IndexImage; readonly alive: Uint8Array };
  readonly fresh: readonly PreparedRow[];
  readonly options: AssemblyOptions;
}

/** What a thread found in a base; the index knows whether it still holds. */
export interface ScannedBase {
  readonly base: object;
  readonly hits: RowHits;
}

/** A scan that another thread may do over the index's memory. */
export interface PlannedScan {
  readonly memory: WebAssembly.Memory;
  readonly plan: ScanPlan;
  /** What it found, by what `runScan` returned. */
  readonly read: (size: number, factor: number) => ScannedBase;
  /** Gives its room back, once the thread has ended it; never called, the room is lost until the next merge. */
  readonly end: () => void;
}

/** One collection's index in memory: searched and written by its owner alone. */
export class ResidentIndex {
  readonly #options: ResidentOptions;
  readonly #fusion = new RowFusion();
  #now: Generation;
  /** X4: writes since the merge that is under way began; null: none is. */
  #meanwhile: Write[] | null = null;

  /** @throws KennelError `storage_full` when the runtime refuses the memory for a search's scratch */
  constructor(image: IndexImage, options: ResidentOptions) {
    if (image.header.language !== options.analyzer.language) {
      throw new TypeError(`The index was analysed as ${image.header.language}, its queries would be as ${options.analyzer.language}`);
    }
    this.#options = options;
    this.#now = new Generation(image, options.kernels);
  }

  /** What a search finds is at least what this version holds. */
  get indexVersion(): number {
    return this.#now.indexVersion;
  }

  get dimensions(): number {
    return this.#base.reader.image.header.dimensions;
  }

  /** Rows that a search can bring up. */
  get liveRows(): number {
    return this.#now.liveRows;
  }

  /** Memory held, counted. */
  get bytes(): number {
    return this.#now.bytes;
  }

  get #base(): Base {
    return this.#now.base;
  }

  get #delta(): Delta {
    return this.#now.delta;
  }

  get isMerging(): boolean {
    return this.#meanwhile !== null;
  }

  /** Rows that a merge would move from the delta or drop from the base. */
  get unmergedRows(): number {
    return this.#now.unmergedRows;
  }

  get needsMerge(): boolean {
    return !this.isMerging && this.unmergedRows >= Math.max(this.#options.mergeFromRows, this.#base.rows * MERGE_FROM_SHARE);
  }

  /** The base as it stands, without what was written since the last merge. */
  get image(): IndexImage {
    return this.#base.reader.image;
  }

  /**
   * At most `options.limit` rows by cosine.
   * @param scanned what another thread has found in the base for the same vector and options; null: nothing is known yet
   * @throws KennelError `invalid_request` for a vector of other dimensions or not finite
   */
  searchVector(vector: Float32Array, options: SearchOptions, scanned: ScannedBase | null = null): RowHits {
    this.#checkVector(vector);
    const base = this.#base;
    const factor = base.writeQuery(vector);
    if (factor === 0) return NO_HITS; // it has no direction, so it is near to nothing
    const { limit, filter, notBeforeMs } = options;
    const found = scanned !== null && this.#holds(scanned) ? scanned.hits : base.searchVector(vector, limit, filter, notBeforeMs);
    const few = this.#delta.searchVector(base.kernels, base.query.offset, factor, floorOf(found, limit), options);
    return this.#merged(found, few, limit);
  }

  /**
   * The part of a vector search that reads every row of the base, for another thread. Null: this one has little to read.
   * @throws KennelError as `searchVector` does, and `storage_full` when there is no room for a scan beside others
   */
  planScan(vector: Float32Array, { limit, filter, notBeforeMs }: SearchOptions): PlannedScan | null {
    this.#checkVector(vector);
    const base = this.#base;
    const planned = base.planLane(limit, filter, notBeforeMs);
    if (planned === null) return null;
    return {
      memory: base.arena.memory,
      plan: planned.plan,
      read: (size, factor) => ({ base, hits: base.readLane(planned.lane, size, factor) }),
      end: () => base.giveBack(planned.lane),
    };
  }

  /** At most `options.limit` rows by BM25, rows without a word of the query left out. */
  searchText(query: string, options: SearchOptions): RowHits {
    const { limit, filter, notBeforeMs } = options;
    const weights = this.#now.weigh(this.#options.analyzer.analyze(query));
    const { terms: known, image } = this.#base.reader;
    const terms: WeightedTerm[] = [];
    for (const [term, weight] of weights) {
      const number = known.numberOf(term);
      if (number !== undefined) terms.push({ number, weight });
    }
    const found = this.#base.searchText(terms, limit, filter, notBeforeMs);
    const averageLength = image.header.averageLength > 0 ? image.header.averageLength : this.#delta.averageLength;
    return this.#merged(found, this.#delta.searchText(weights, averageLength, floorOf(found, limit), options), limit);
  }

  /** Fuses lists of this index, which are in plan order; at most `limit` rows. */
  fuse(lists: readonly WeightedHits[], method: FusionMethod, limit: number): FusedRows {
    return this.#fusion.fuse(lists, method, limit, this.#compareRows);
  }

  /** Who a row is. */
  names(row: number): RowNames {
    if (row < this.#base.rows) return this.#base.reader.names(row);
    const { id, documentId, parentId } = this.#deltaRow(row);
    return { id, documentId, parentId };
  }

  /** A view into shared memory: copy it before it is decoded or outlives the turn. */
  passage(row: number): ReadyPassage {
    return row < this.#base.rows ? this.#base.reader.passage(row) : this.#deltaRow(row).passage;
  }

  /** What the row shows where parents are shown; a view as `passage` gives. */
  parentText(row: number): ParentText {
    return row < this.#base.rows ? this.#base.reader.parentText(row) : this.#deltaRow(row).parentText;
  }

  /**
   * Afterwards `rows` are all that the index holds of `documentIds`; without rows they are gone.
   * @param parents of the rows
   * @throws KennelError `invalid_request` for a vector of other dimensions, `storage_full` when the memory can't grow
   */
  replaceDocuments(documentIds: readonly string[], rows: readonly ChunkRow[], indexVersion: number, parents: ParentTexts = null): void {
    const writer = new ParentWriter(parents);
    const prepared = rows.map((row) => prepareRow(row, this.#options.analyzer, this.dimensions, writer));
    const write = { documentIds, rows: prepared, indexVersion };
    this.#now.apply(write); // X2
    this.#meanwhile?.push(write);
  }

  /** Begins a merge; end it with `completeMerge` or `abandonMerge`. */
  beginMerge(): MergeInput {
    if (this.#meanwhile !== null) throw new TypeError("A merge of this index is under way already");
    this.#meanwhile = [];
    const { language, dimensions } = this.#base.reader.image.header;
    return {
      base: { image: this.#base.reader.image, alive: this.#base.alive.slice() },
      fresh: this.#delta.rows.filter((_, row) => this.#delta.isAlive(row)),
      options: { indexVersion: this.#now.indexVersion, language, dimensions, bitsFromRows: this.#options.bitsFromRows },
    };
  }

  /** Goes over to the merge's result at once; see `completing`. */
  completeMerge(image: IndexImage): void {
    for (const _ of this.completing(image, Number.POSITIVE_INFINITY));
  }

  /**
   * Goes over to the merge's result in steps, between which the index is searched and written as it was: each applies what
   * was written meanwhile to the result, up to `sliceRows` rows and documents and the write that goes beyond; the last one
   * swaps.
   * @throws KennelError `storage_full`; then the old base stays
   */
  *completing(image: IndexImage, sliceRows: number): Generator<void> {
    const meanwhile = this.#meanwhile;
    if (meanwhile === null) throw new TypeError("No merge of this index is under way");
    try {
      const next = new Generation(image, this.#options.kernels);
      let applied = 0;
      // What is written between two steps is put behind the rest, so the loop ends when none is left in the same turn.
      for (const write of meanwhile) {
        if (applied >= sliceRows) {
          yield;
          applied = 0;
        }
        next.apply(write);
        applied += write.rows.length + write.documentIds.length;
      }
      this.#now = next;
    } finally {
      this.#meanwhile = null;
    }
  }

  /** The merge failed: everything stays as it is, and a later one may do better. */
  abandonMerge(): void {
    this.#meanwhile = null;
  }

  /** X3: what was merged or deleted since the scan began makes it void. */
  #holds({ base, hits }: ScannedBase): boolean {
    return base === this.#base && hits.rows.every((row) => this.#base.alive[row] === 1);
  }

  #merged(found: RowHits, few: { row: number; score: number }[], limit: number): RowHits {
    const firstRow = this.#base.rows;
    const shifted = few.map(({ row, score }) => ({ row: firstRow + row, score }));
    return mergeHits(found, shifted, limit, this.#compareRows);
  }

  /** By id, in which order the base stands anyhow. */
  readonly #compareRows = (left: number, right: number): number => {
    const baseRows = this.#base.rows;
    return left < baseRows && right < baseRows ? left - right : compareIds(this.names(left).id, this.names(right).id);
  };

  #deltaRow(row: number): PreparedRow {
    const found = this.#delta.rows[row - this.#base.rows];
    if (found === undefined) throw new RangeError(`There is no row ${row} of ${this.#base.rows + this.#delta.rows.length}`);
    return found;
  }

  #checkVector(vector: Float32Array): void {
    if (vector.length !== this.dimensions) {
      throw kennelError("invalid_request", {
        param: "vector",
        message: `vector has ${vector.length} dimensions; allowed: ${this.dimensions}`,
      });
    }
    for (const component of vector) {
      if (!Number.isFinite(component))
        throw kennelError("invalid_request", { param: "vector", message: "vector is not finite everywhere" });
    }
  }
}

/** The least score that still gets a row into a list. */
function floorOf({ scores }: RowHits, limit: number): number {
  return scores.length < limit ? Number.NEGATIVE_INFINITY : (scores.at(-1) ?? Number.NEGATIVE_INFINITY);
}
