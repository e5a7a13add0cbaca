import type { Filter } from "../../../vector_store/filter.ts";
import { IMPACT_STEP } from "./bm25.ts";
import { evaluateFilter } from "./columns.ts";
import { NO_HITS, type RowHits } from "./hits.ts";
import { ImageReader, type IndexImage, paddedRows } from "./image.ts";
import { bindKernels, type KernelModule, type Kernels } from "./kernels.ts";
import { bytesOf, float32Of, int16Of, MemoryArena, type Region, uint32Of } from "./memory.ts";
import { quantizeQuery, strideOf } from "./quantization.ts";
import { estimateLevels, reserveLane, rowsToSelect, runScan, type ScanLane, type ScanPlan, selectedFor } from "./vector_scan.ts";

/** Up to this share of allowed rows, the vectors of those alone are read; above, skipping costs more than it spares. */
const MAX_LISTED_SHARE = 0.15;
const INITIAL_LIMIT = 256;
/** Hits of a scan by another thread, at most. */
const MAX_LANE_LIMIT = 1_000;

/** Rows that a search may bring up. */
interface Allowed {
  /** Address of a byte a row: 1 where the row is there and passes. */
  readonly mask: number;
  /** Rows allowed, at most. */
  readonly count: number;
  /** Address of their list; null: they are too many to be listed. */
  readonly listed: number | null;
}

/** Room for the hits of one search. */
interface HitSpace {
  readonly limit: number;
  /** Addresses. */
  readonly heap: number;
  readonly rows: number;
  readonly scores: number;
  readonly rowView: Uint32Array;
  readonly scoreView: Float32Array;
}

/** A term of a query, as far as the base has it. */
export interface WeightedTerm {
  readonly number: number;
  /** Its idf. */
  readonly weight: number;
}

/** Searches over an image, and which of its rows are still there. Its scratch lies behind the image in the same memory. */
export class Base {
  readonly reader: ImageReader;
  readonly arena: MemoryArena;
  readonly kernels: Kernels;
  readonly alive: Uint8Array;
  /** i16 of the query, written before a vector search; the delta's vectors are multiplied with it, too. */
  readonly query: Region;
  liveRows: number;
  readonly #stride: number;
  readonly #aliveMask: Region;
  /** f32 a row, all 0 between searches; a vector search borrows it for its estimates, u16 a row. */
  readonly #scores: Region;
  readonly #tables: Region;
  readonly #histogram: Region;
  #hitSpace: HitSpace;
  #selected: Region;
  /** Free room for scans by other threads. */
  readonly #lanes: ScanLane[] = [];
  #filterMask: Region | null = null;
  #filtered: { readonly key: string; readonly allowed: Allowed } | null = null;
  readonly #oldestMs: number;

  /** @throws KennelError `storage_full` when the runtime refuses the memory for a search's scratch */
  constructor(image: IndexImage, module: KernelModule) {
    const { rows, dimensions, sections, bytes } = image.header;
    const padded = paddedRows(rows);
    this.reader = new ImageReader(image);
    this.arena = new MemoryArena(image.memory, bytes);
    this.#stride = strideOf(dimensions);
    this.#aliveMask = this.arena.reserve(padded);
    this.#scores = this.arena.reserve(padded * 4);
    this.query = this.arena.reserve(this.#stride * 2);
    const hasBits = sections.bits.bytes > 0;
    this.#tables = this.arena.reserve(hasBits ? this.#stride * 4 : 0);
    this.#histogram = this.arena.reserve(hasBits ? estimateLevels(this.#stride) * 4 : 0);
    this.#selected = this.arena.reserve(hasBits ? Math.min(rows, selectedFor(0)) * 4 : 0);
    this.#hitSpace = this.#reserveHits(Math.min(rows, INITIAL_LIMIT));
    this.kernels = bindKernels(module, image.memory);
    this.alive = bytesOf(image.memory, this.#aliveMask).fill(1, 0, rows);
    this.liveRows = rows;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const updatedAtMs of this.reader.updatedAts) oldestMs = Math.min(oldestMs, updatedAtMs);
    this.#oldestMs = oldestMs;
  }

  get rows(): number {
    return this.reader.rows;
  }

  /** Lets go of a row; no search brings it up again. */
  kill(row: number): void {
    if (this.alive[row] === 0) return;
    this.alive[row] = 0;
    this.liveRows--;
    if (this.#filterMask !== null) bytesOf(this.arena.memory, this.#filterMask)[row] = 0;
  }

  /** Rows of a document that are there. */
  rowsOf(documentId: string): number[] {
    const found: number[] = [];
    for (let row = this.reader.lowerBound(`${documentId}#`); row < this.rows; row++) {
      if (!this.reader.id(row).startsWith(`${documentId}#`)) break;
      // The ids of a document called "a#1" stand between those of one called "a".
      if (this.alive[row] === 1 && this.reader.names(row).documentId === documentId) found.push(row);
    }
    return found;
  }

  searchVector(vector: Float32Array, limit: number, filter: Filter | null, notBeforeMs: number | null): RowHits {
    const allowed = this.#allow(filter, notBeforeMs);
    const wanted = Math.min(limit, allowed.count);
    if (wanted === 0) return NO_HITS;
    const hits = this.#ensureHits(wanted);
    const plan = this.#plan(allowed, wanted);
    if (this.#selected.bytes < plan.selected * 4) this.#selected = this.arena.reserve(plan.selected * 4);
    const space = {
      query: this.query.offset,
      tables: this.#tables.offset,
      histogram: this.#histogram.offset,
      estimates: this.#scores.offset,
      selected: this.#selected.offset,
      heap: hits.heap,
      rows: hits.rows,
      scores: hits.scores,
    };
    const { size, factor } = runScan(this.kernels, this.arena.memory, { ...plan, space }, vector);
    if (plan.selected > 0) bytesOf(this.arena.memory, this.#scores).fill(0, 0, this.#scores.bytes / 2);
    return readHits(hits.rowView, hits.scoreView, size, factor);
  }

  /**
   * A scan for another thread, in a lane that is taken until `giveBack`. Null: this one has few rows to read, or is of a
   * kind that lanes have no room for.
   * @throws KennelError `storage_full` when the memory can't grow
   */
  planLane(limit: number, filter: Filter | null, notBeforeMs: number | null): { readonly plan: ScanPlan; readonly lane: ScanLane } | null {
    const allowed = this.#allow(filter, notBeforeMs);
    const wanted = Math.min(limit, allowed.count);
    if (wanted === 0 || wanted > MAX_LANE_LIMIT || allowed.listed !== null) return null;
    const lane = this.#lanes.pop() ?? reserveLane(this.arena, paddedRows(this.rows), this.#stride, MAX_LANE_LIMIT);
    // A filter's mask is overwritten by the next filter; the mask of what is there only ever loses rows.
    const isOwnMask = allowed.mask !== this.#aliveMask.offset;
    if (isOwnMask) bytesOf(this.arena.memory, { offset: lane.mask, bytes: this.rows }).set(this.#bytesAt(allowed.mask, this.rows));
    return { plan: { ...this.#plan(allowed, wanted), mask: isOwnMask ? lane.mask : allowed.mask, space: lane }, lane };
  }

  /** What a thread has left in its lane. */
  readLane({ rows, scores }: ScanLane, size: number, factor: number): RowHits {
    const { memory } = this.arena;
    const rowView = uint32Of(memory, { offset: rows, bytes: size * 4 });
    return readHits(rowView, float32Of(memory, { offset: scores, bytes: size * 4 }), size, factor);
  }

  giveBack(lane: ScanLane): void {
    this.#lanes.push(lane);
  }

  /** @returns the factor that makes a cosine of a kernel's score; 0: the query has no direction */
  writeQuery(vector: Float32Array): number {
    return quantizeQuery(vector, int16Of(this.arena.memory, this.query));
  }

  searchText(terms: readonly WeightedTerm[], limit: number, filter: Filter | null, notBeforeMs: number | null): RowHits {
    const allowed = this.#allow(filter, notBeforeMs);
    const wanted = Math.min(limit, allowed.count);
    const space = this.#ensureHits(wanted);
    if (wanted === 0) return NO_HITS;
    const { postingRows, impacts } = this.reader.image.header.sections;
    for (const { number, weight } of terms) {
      const start = this.reader.postingStarts[number] as number;
      const end = this.reader.postingStarts[number + 1] as number;
      this.kernels.accumulate(
        postingRows.offset + start * 4,
        impacts.offset + start,
        end - start,
        weight * IMPACT_STEP,
        this.#scores.offset,
      );
    }
    const size = this.kernels.collect(this.#scores.offset, allowed.mask, this.rows, space.heap, wanted);
    this.kernels.drain(space.heap, size, space.rows, space.scores);
    return readHits(space.rowView, space.scoreView, size, 1);
  }

  #plan({ mask, count, listed }: Allowed, limit: number): Omit<ScanPlan, "space"> {
    const { vectors, scales, bits } = this.reader.image.header.sections;
    return {
      vectors: vectors.offset,
      scales: scales.offset,
      bits: bits.offset,
      rows: this.rows,
      stride: this.#stride,
      mask,
      listed,
      listedCount: listed === null ? 0 : count,
      selected: listed === null && bits.bytes > 0 ? rowsToSelect(limit, count) : 0,
      limit,
    };
  }

  #bytesAt(offset: number, bytes: number): Uint8Array {
    return bytesOf(this.arena.memory, { offset, bytes });
  }

  #allow(filter: Filter | null, notBeforeMs: number | null): Allowed {
    const cutMs = notBeforeMs !== null && this.#oldestMs < notBeforeMs ? notBeforeMs : null;
    if (filter === null && cutMs === null) return { mask: this.#aliveMask.offset, count: this.liveRows, listed: null };
    const key = JSON.stringify([filter, cutMs]);
    if (this.#filtered?.key !== key) this.#filtered = { key, allowed: this.#evaluate(filter, cutMs) };
    return this.#filtered.allowed;
  }

  #evaluate(filter: Filter | null, notBeforeMs: number | null): Allowed {
    this.#filtered = null; // its mask is about to be overwritten
    this.#filterMask ??= this.arena.reserve(paddedRows(this.rows) + Math.ceil(this.rows * MAX_LISTED_SHARE) * 4);
    const { offset } = this.#filterMask;
    const mask = bytesOf(this.arena.memory, { offset, bytes: this.rows });
    if (filter === null) mask.fill(1);
    else evaluateFilter(filter, this.reader.columns, mask);
    const { updatedAts } = this.reader;
    let count = 0;
    for (let row = 0; row < mask.length; row++) {
      const isIn = (mask[row] as number) & (this.alive[row] as number);
      mask[row] = notBeforeMs === null || (updatedAts[row] as number) >= notBeforeMs ? isIn : 0;
      count += mask[row] as number;
    }
    if (count > this.rows * MAX_LISTED_SHARE) return { mask: offset, count, listed: null };
    const listed = { offset: offset + paddedRows(this.rows), bytes: count * 4 };
    const list = uint32Of(this.arena.memory, listed);
    let at = 0;
    for (let row = 0; row < mask.length; row++) if (mask[row] === 1) list[at++] = row;
    return { mask: offset, count, listed: listed.offset };
  }

  #ensureHits(limit: number): HitSpace {
    if (limit > this.#hitSpace.limit) this.#hitSpace = this.#reserveHits(Math.min(this.rows, 2 * limit));
    return this.#hitSpace;
  }

  #reserveHits(limit: number): HitSpace {
    const { offset } = this.arena.reserve(limit * 16);
    const rows = { offset: offset + limit * 8, bytes: limit * 4 };
    const scores = { offset: rows.offset + rows.bytes, bytes: limit * 4 };
    const { memory } = this.arena;
    return {
      limit,
      heap: offset,
      rows: rows.offset,
      scores: scores.offset,
      rowView: uint32Of(memory, rows),
      scoreView: float32Of(memory, scores),
    };
  }
}

function readHits(rowView: Uint32Array, scoreView: Float32Array, size: number, factor: number): RowHits {
  const scores = new Float64Array(size);
  for (let at = 0; at < size; at++) scores[at] = (scoreView[at] as number) * factor;
  return { rows: rowView.slice(0, size), scores };
}
