import type { Kernels } from "./kernels.ts";
import { bytesOf, int16Of, type MemoryArena } from "./memory.ts";
import { quantizeQuery, TABLE_LEVELS, writeQueryTables } from "./quantization.ts";

/** Rows that the 1-bit vectors bring up for the int8 vectors to score, at least, and for each hit that is wanted. */
const MIN_SELECTED = 1_000;
const SELECTED_PER_HIT = 10;

/** Where a scan works: addresses in the index's memory that nothing else uses meanwhile. */
export interface ScanSpace {
  /** i16 of the query. */
  readonly query: number;
  readonly tables: number;
  readonly histogram: number;
  /** u16 a row. */
  readonly estimates: number;
  readonly selected: number;
  /** u64, then u32 and f32, a hit. */
  readonly heap: number;
  readonly rows: number;
  readonly scores: number;
}

/** A scan over the vectors of a base; plain data, so that any thread that has the memory can do it. */
export interface ScanPlan {
  readonly vectors: number;
  readonly scales: number;
  /** Address of the 1-bit vectors. */
  readonly bits: number;
  readonly rows: number;
  readonly stride: number;
  /** Address of a byte a row: 1 where it may be brought up. */
  readonly mask: number;
  /** Address of the rows to score, rising; null: all, or those that the bits bring up. */
  readonly listed: number | null;
  readonly listedCount: number;
  /** Rows that the bits bring up; 0: there are none, or too few rows for them to help. */
  readonly selected: number;
  /** Hits, at most. */
  readonly limit: number;
  readonly space: ScanSpace;
}

/** Rows that the bits shall bring up for `limit` hits; 0: scoring all `allowed` rows is as quick. */
export function rowsToSelect(limit: number, allowed: number): number {
  const wanted = selectedFor(limit);
  return wanted > allowed / 2 ? 0 : wanted;
}

export function selectedFor(limit: number): number {
  return Math.max(MIN_SELECTED, SELECTED_PER_HIT * limit);
}

/** Different estimates that vectors of this stride can have. */
export function estimateLevels(stride: number): number {
  return (stride / 4) * TABLE_LEVELS + 1;
}

/**
 * Runs a scan and leaves its hits, best first, in the space's `rows` and `scores`; reads no other scratch.
 * @returns how many there are, and the factor that makes cosines of their scores; 0: the query has no direction
 */
export function runScan(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  plan: ScanPlan,
  vector: Float32Array,
): { readonly size: number; readonly factor: number } {
  const { vectors, scales, bits, mask, rows, stride, limit, space } = plan;
  const factor = quantizeQuery(vector, int16Of(memory, { offset: space.query, bytes: stride * 2 }));
  if (factor === 0) return { size: 0, factor };
  let { listed, listedCount } = plan;
  if (plan.selected > 0) {
    writeQueryTables(vector, stride, bytesOf(memory, { offset: space.tables, bytes: stride * 4 }));
    kernels.estimate(bits, rows, stride / 4, space.tables, space.estimates);
    listed = space.selected;
    listedCount = kernels.select(space.estimates, mask, rows, plan.selected, estimateLevels(stride), space.histogram, space.selected);
  }
  const size =
    listed === null
      ? kernels.scan(vectors, scales, mask, rows, stride, space.query, space.heap, limit)
      : kernels.scanListed(vectors, scales, mask, listed, listedCount, stride, space.query, space.heap, limit);
  kernels.drain(space.heap, size, space.rows, space.scores);
  return { size, factor };
}

/** Room for scans of up to `maxLimit` hits beside those of the index's owner, a mask of its own included. */
export interface ScanLane extends ScanSpace {
  readonly maxLimit: number;
  readonly mask: number;
}

/** @param padded rows, as the kernels read them  @throws KennelError `storage_full` when the memory can't grow */
export function reserveLane(arena: MemoryArena, padded: number, stride: number, maxLimit: number): ScanLane {
  const reserve = (bytes: number): number => arena.reserve(bytes).offset;
  return {
    maxLimit,
    query: reserve(stride * 2),
    tables: reserve(stride * 4),
    histogram: reserve(estimateLevels(stride) * 4),
    estimates: reserve(padded * 2),
    selected: reserve(selectedFor(maxLimit) * 4),
    heap: reserve(maxLimit * 8),
    rows: reserve(maxLimit * 4),
    scores: reserve(maxLimit * 4),
    mask: reserve(padded),
  };
}
