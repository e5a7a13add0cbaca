import type { ImageReader } from "./image.ts";
import { compareIds, type PreparedRow } from "./prepared_row.ts";

export const DROPPED = 0xffff_ffff;

/** Where every row goes. */
export interface RowOrder {
  readonly rows: number;
  /** New number of each base row, or `DROPPED`. */
  readonly fromBase: Uint32Array;
  /** Fresh rows in the order of their ids, with their new numbers. */
  readonly fresh: readonly PreparedRow[];
  readonly fromFresh: Uint32Array;
}

/** Base rows that are alive and fresh rows, together in the order of their ids. */
export function orderRows(reader: ImageReader | null, alive: Uint8Array, unordered: readonly PreparedRow[]): RowOrder {
  const fresh = [...unordered].sort((left, right) => compareIds(left.id, right.id));
  const baseRows = reader?.rows ?? 0;
  const fromBase = new Uint32Array(baseRows);
  const fromFresh = new Uint32Array(fresh.length);
  let rows = 0;
  let nextFresh = 0;
  // The base is searched for the few fresh rows: to read the names of all of its rows would take longer than all the rest.
  const places = fresh.map((row) => reader?.lowerBound(row.id) ?? 0);
  for (let row = 0; row <= baseRows; row++) {
    while (nextFresh < fresh.length && places[nextFresh] === row) fromFresh[nextFresh++] = rows++;
    if (row < baseRows) fromBase[row] = alive[row] === 1 ? rows++ : DROPPED;
  }
  return { rows, fromBase, fresh, fromFresh };
}
