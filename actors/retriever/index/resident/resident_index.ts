// Invariants:
//   X1. One writer: every method runs within a turn of the owner's and none of them waits, so nothing needs a lock.
//   X2. A write is all or nothing, and the next search sees it. A refused one (`storage_full`) has changed nothing.
//   X3. A deleted row is brought up by no search, from the moment of the delete, merge or no merge.
//   X4. A merge works on what stood when it began; writes that come meanwhile are kept and applied to its result.
//   X5. Row numbers are those of one moment: they hold until the next write or merge.
import { kennelError } from "../../../../runtime/errors.ts";
import type { ChunkRow, SearchOptions } from "../../../vector_store/vector_store.ts";
import type { ReadyPassage } from "../passage.ts";
import type { AnalyzedText, Analyzer } from "./analyzer.ts";
import type { AssemblyOptions } from "./assemble.ts";
import { Base, type WeightedTerm } from "./base.ts";
import { inverseDocumentFrequency } from "./bm25.ts";
import { Delta } from "./delta.ts";
import { type FusedHits, fuseHits, mergeHits, NO_HITS, type RowHits } from "./hits.ts";
import type { IndexImage, RowNames } from "./image.ts";
import type { KernelModule } from "./kernels.ts";
import { compareIds, type PreparedRow, prepareRow } from "./prepared_row.ts";
import { strideOf } from "./quantization.ts";

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
/** Terms of a query that count: its rarest. Bounds what a pasted document can cost. */
const MAX_QUERY_TERMS = 1_024;
/** What a term costs in the map of a base, its letters included: measured over 100,000 of them. */
const TERM_BYTES = 70;

/** What a merge works on: plain data and shared memory, so that a thread can do it. */
export interface MergeInput {
  readonly base: { readonly image: IndexImage; readonly alive: Uint8Array };
  readonly fresh: readonly PreparedRow[];
  readonly options: AssemblyOptions;
}

interface Write {
  readonly documentIds: readonly string[];
  readonly rows: readonly PreparedRow[];
  readonly indexVersion: number;
}

/** One collection's index in memory: searched and written by its owner alone. */
export class ResidentIndex {
  readonly #options: ResidentOptions;
  #base: Base;
  #delta: Delta;
  #indexVersion: number;
  #termBytes: number;
  /** Rows of the base that were let go since the last merge. */
  #deadBaseRows = 0;
  /** X4: writes since the merge that is under way began; null: none is. */
  #meanwhile: Write[] | null = null;

  /** @throws KennelError `storage_full` when the runtime refuses the memory for a search's scratch */
  constructor(image: IndexImage, options: ResidentOptions) {
    if (image.header.language !== options.analyzer.language) {
      throw new TypeError(`The index was analysed as ${image.header.language}, its queries would be as ${options.analyzer.language}`);
    }
    this.#options = options;
    this.#base = new Base(image, options.kernels);
    this.#delta = this.#emptyDelta();
    this.#indexVersion = image.header.indexVersion;
    this.#termBytes = termBytes(this.#base);
  }

  /** What a search finds is at least what this version holds. */
  get indexVersion(): number {
    return this.#indexVersion;
  }

  get dimensions(): number {
    return this.#base.reader.image.header.dimensions;
  }

  /** Rows that a search can bring up. */
  get liveRows(): number {
    return this.#base.liveRows + this.#delta.liveRows;
  }

  /** Memory held: the shared memory to the byte, what V8 keeps beside it by its own sizes. */
  get bytes(): number {
    return this.#base.arena.bytes + this.#termBytes + this.#delta.heapBytes;
  }

  get isMerging(): boolean {
    return this.#meanwhile !== null;
  }

  /** Rows that a merge would move from the delta or drop from the base. */
  get unmergedRows(): number {
    return this.#delta.rows.length + this.#deadBaseRows;
  }

  get needsMerge(): boolean {
    return !this.isMerging && this.unmergedRows >= Math.max(this.#options.mergeFromRows, this.#base.rows * MERGE_FROM_SHARE);
  }

  /** The base as it stands, without what was written since the last merge. */
  get image(): IndexImage {
    return this.#base.reader.image;
  }

  /** At most `options.limit` rows by cosine. @throws KennelError `invalid_request` for a vector of other dimensions or not finite */
  searchVector(vector: Float32Array, options: SearchOptions): RowHits {
    this.#checkVector(vector);
    const base = this.#base;
    const factor = base.writeQuery(vector);
    if (factor === 0) return NO_HITS; // it has no direction, so it is near to nothing
    const { limit, filter, notBeforeMs } = options;
    const found = base.searchVector(vector, factor, limit, filter, notBeforeMs);
    const few = this.#delta.searchVector(base.kernels, base.query.offset, factor, floorOf(found, limit), options);
    return this.#merged(found, few, limit);
  }

  /** At most `options.limit` rows by BM25, rows without a word of the query left out. */
  searchText(query: string, options: SearchOptions): RowHits {
    const { limit, filter, notBeforeMs } = options;
    const weights = this.#weigh(this.#options.analyzer.analyze(query));
    const { termNumbers, image } = this.#base.reader;
    const terms: WeightedTerm[] = [];
    for (const [term, weight] of weights) {
      const number = termNumbers.get(term);
      if (number !== undefined) terms.push({ number, weight });
    }
    const found = this.#base.searchText(terms, limit, filter, notBeforeMs);
    const averageLength = image.header.averageLength > 0 ? image.header.averageLength : this.#delta.averageLength;
    return this.#merged(found, this.#delta.searchText(weights, averageLength, floorOf(found, limit), options), limit);
  }

  /** Weighted fusion of lists of this index, at most `limit`; see `fuseHits`. */
  fuse(lists: readonly { readonly hits: RowHits; readonly weight: number }[], limit: number): FusedHits {
    return fuseHits(lists, limit, this.#compareRows);
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

  /**
   * Afterwards `rows` are all that the index holds of `documentIds`; without rows they are gone.
   * @throws KennelError `invalid_request` for a vector of other dimensions, `storage_full` when the memory can't grow
   */
  replaceDocuments(documentIds: readonly string[], rows: readonly ChunkRow[], indexVersion: number): void {
    const prepared = rows.map((row) => prepareRow(row, this.#options.analyzer, this.dimensions));
    const write = { documentIds, rows: prepared, indexVersion };
    this.#apply(write);
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
      options: { indexVersion: this.#indexVersion, language, dimensions, bitsFromRows: this.#options.bitsFromRows },
    };
  }

  /** Goes over to the merge's result and applies to it what was written meanwhile. @throws KennelError `storage_full`; then the old base stays */
  completeMerge(image: IndexImage): void {
    const meanwhile = this.#meanwhile;
    if (meanwhile === null) throw new TypeError("No merge of this index is under way");
    this.#meanwhile = null;
    const [oldBase, oldDelta, oldDead, oldVersion] = [this.#base, this.#delta, this.#deadBaseRows, this.#indexVersion];
    try {
      this.#base = new Base(image, this.#options.kernels);
      this.#delta = this.#emptyDelta();
      this.#deadBaseRows = 0;
      for (const write of meanwhile) this.#apply(write);
    } catch (error) {
      [this.#base, this.#delta, this.#deadBaseRows, this.#indexVersion] = [oldBase, oldDelta, oldDead, oldVersion];
      throw error;
    }
    this.#termBytes = termBytes(this.#base);
  }

  /** The merge failed: everything stays as it is, and a later one may do better. */
  abandonMerge(): void {
    this.#meanwhile = null;
  }

  #apply({ documentIds, rows, indexVersion }: Write): void {
    this.#delta.reserve(rows.length); // X2: the one thing that can fail comes first
    for (const documentId of documentIds) {
      this.#delta.killDocument(documentId);
      for (const row of this.#base.rowsOf(documentId)) {
        this.#base.kill(row);
        this.#deadBaseRows++;
      }
    }
    for (const row of rows) this.#delta.append(row);
    this.#indexVersion = Math.max(this.#indexVersion, indexVersion);
  }

  /**
   * The query's terms that occur, with their idf; one that is repeated counts once, as it does in the store. Rows let go
   * from the base count until the next merge, in the number of chunks as in a term's, so that idf stays consistent.
   */
  #weigh({ counts }: AnalyzedText): ReadonlyMap<string, number> {
    const { termNumbers, postingStarts } = this.#base.reader;
    const chunks = this.#base.rows + this.#delta.liveRows;
    const weights: [string, number][] = [];
    for (const term of counts.keys()) {
      const number = termNumbers.get(term);
      const inBase = number === undefined ? 0 : (postingStarts[number + 1] as number) - (postingStarts[number] as number);
      const found = inBase + this.#delta.liveRowsWith(term);
      if (found > 0) weights.push([term, inverseDocumentFrequency(chunks, found)]);
    }
    if (weights.length > MAX_QUERY_TERMS) weights.sort((left, right) => right[1] - left[1]).length = MAX_QUERY_TERMS;
    return new Map(weights);
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

  #emptyDelta(): Delta {
    return new Delta(this.#base.arena, strideOf(this.dimensions));
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

function termBytes(base: Base): number {
  return base.reader.termNumbers.size * TERM_BYTES;
}
