import { type Filter, matches } from "../../../vector_store/filter.ts";
import { IMPACT_STEP, quantizedImpact } from "./bm25.ts";
import type { ScoredRow } from "./hits.ts";
import type { Kernels } from "./kernels.ts";
import { bytesOf, float32Of, int8Of, type MemoryArena, NO_REGION, type Region } from "./memory.ts";
import type { PreparedRow } from "./prepared_row.ts";

const FIRST_CAPACITY = 64;
/** What a row costs beside its passage, vector and postings, and what a posting costs, about: V8's objects for them. */
const ROW_OVERHEAD_BYTES = 600;
const POSTING_BYTES = 40;

interface DeltaPostings {
  readonly rows: number[];
  readonly counts: number[];
  /** Rows of these that are there. */
  live: number;
}

/** What of a row can let a search leave it out. */
export interface RowCondition {
  readonly filter: Filter | null;
  readonly notBeforeMs: number | null;
}

/** Rows written since the last merge, in the order in which they came. */
export class Delta {
  readonly rows: PreparedRow[] = [];
  readonly #arena: MemoryArena;
  readonly #stride: number;
  readonly #alive: boolean[] = [];
  readonly #postings = new Map<string, DeltaPostings>();
  readonly #byDocument = new Map<string, number[]>();
  #capacity = 0;
  #vectors: Region = NO_REGION;
  #scales: Region = NO_REGION;
  #scores: Region = NO_REGION;
  #liveRows = 0;
  #liveLength = 0;
  #heapBytes = 0;

  constructor(arena: MemoryArena, stride: number) {
    this.#arena = arena;
    this.#stride = stride;
  }

  get liveRows(): number {
    return this.#liveRows;
  }

  /** Memory outside of the arena, about. */
  get heapBytes(): number {
    return this.#heapBytes;
  }

  get averageLength(): number {
    return this.#liveRows === 0 ? 0 : this.#liveLength / this.#liveRows;
  }

  isAlive(row: number): boolean {
    return this.#alive[row] === true;
  }

  liveRowsWith(term: string): number {
    return this.#postings.get(term)?.live ?? 0;
  }

  /** Makes room for `count` more rows. @throws KennelError `storage_full` when the memory can't grow; then nothing has changed */
  reserve(count: number): void {
    const needed = this.rows.length + count;
    if (needed <= this.#capacity) return;
    const capacity = Math.ceil(Math.max(FIRST_CAPACITY, needed, 2 * this.#capacity) / 4) * 4;
    const region = this.#arena.reserve(capacity * (this.#stride + 8));
    const vectors = { offset: region.offset, bytes: capacity * this.#stride };
    const scales = { offset: vectors.offset + vectors.bytes, bytes: capacity * 4 };
    const { memory } = this.#arena;
    bytesOf(memory, vectors).set(bytesOf(memory, this.#vectors));
    const filled = float32Of(memory, scales).fill(Number.NaN);
    filled.set(float32Of(memory, this.#scales));
    this.#vectors = vectors;
    this.#scales = scales;
    this.#scores = { offset: scales.offset + scales.bytes, bytes: capacity * 4 };
    this.#capacity = capacity;
  }

  /** Room has been reserved. */
  append(row: PreparedRow): void {
    const number = this.rows.length;
    this.rows.push(row);
    this.#alive.push(true);
    this.#liveRows++;
    this.#liveLength += row.length;
    for (const [at, term] of row.terms.entries()) {
      let postings = this.#postings.get(term);
      if (postings === undefined) {
        postings = { rows: [], counts: [], live: 0 };
        this.#postings.set(term, postings);
      }
      postings.rows.push(number);
      postings.counts.push(row.counts[at] as number);
      postings.live++;
    }
    const siblings = this.#byDocument.get(row.documentId);
    if (siblings === undefined) this.#byDocument.set(row.documentId, [number]);
    else siblings.push(number);
    const { memory } = this.#arena;
    if (row.vector !== null) int8Of(memory, this.#vectors).set(row.vector, number * this.#stride);
    float32Of(memory, this.#scales)[number] = row.scale;
    // Rows of one parent come behind one another and share its text.
    const { parentText } = row;
    if (parentText instanceof Uint8Array && parentText !== this.rows[number - 1]?.parentText) this.#heapBytes += parentText.length;
    this.#heapBytes += row.passage.bytes.length + (row.vector?.length ?? 0) + ROW_OVERHEAD_BYTES + row.terms.length * POSTING_BYTES;
  }

  killDocument(documentId: string): void {
    for (const number of this.#byDocument.get(documentId) ?? []) {
      const row = this.rows[number] as PreparedRow;
      this.#alive[number] = false;
      this.#liveRows--;
      this.#liveLength -= row.length;
      for (const term of row.terms) (this.#postings.get(term) as DeltaPostings).live--;
    }
    this.#byDocument.delete(documentId);
  }

  /**
   * Cosines of the rows that have one of at least `floor`, in any order.
   * @param query address of the i16 query  @param factor what makes a cosine of a kernel's score
   */
  searchVector(kernels: Kernels, query: number, factor: number, floor: number, condition: RowCondition): ScoredRow[] {
    if (this.#liveRows === 0) return [];
    const padded = Math.ceil(this.rows.length / 4) * 4;
    kernels.scoreAll(this.#vectors.offset, this.#scales.offset, padded, this.#stride, query, this.#scores.offset);
    const scores = float32Of(this.#arena.memory, this.#scores);
    const found: ScoredRow[] = [];
    for (let row = 0; row < this.rows.length; row++) {
      const score = (scores[row] as number) * factor;
      if (score >= floor && this.#passes(row, condition)) found.push({ row, score });
    }
    return found;
  }

  /**
   * BM25 scores of the rows that have one of at least `floor`, in any order; quantised and added up as the kernel does it,
   * so that the same text scores the same in base and delta.
   * @param weights idf by term
   */
  searchText(weights: ReadonlyMap<string, number>, averageLength: number, floor: number, condition: RowCondition): ScoredRow[] {
    if (this.#liveRows === 0) return [];
    const scores = new Map<number, number>();
    for (const [term, weight] of weights) {
      const postings = this.#postings.get(term);
      if (postings === undefined) continue;
      const step = Math.fround(weight * IMPACT_STEP);
      for (const [at, row] of postings.rows.entries()) {
        const { length } = this.rows[row] as PreparedRow;
        const part = Math.fround(step * quantizedImpact(postings.counts[at] as number, length, averageLength));
        scores.set(row, Math.fround((scores.get(row) ?? 0) + part));
      }
    }
    const found: ScoredRow[] = [];
    for (const [row, score] of scores) if (score > 0 && score >= floor && this.#passes(row, condition)) found.push({ row, score });
    return found;
  }

  #passes(row: number, { filter, notBeforeMs }: RowCondition): boolean {
    if (!this.isAlive(row)) return false;
    const { cells, principals, updatedAtMs } = this.rows[row] as PreparedRow;
    return (notBeforeMs === null || updatedAtMs >= notBeforeMs) && (filter === null || matches(filter, cells, principals));
  }
}
