import { Index, type IndexConfig, type Table } from "@lancedb/lancedb";
import type { Clock } from "../../../runtime/clock.ts";
import { DISTANCE, FIXED_COLUMNS } from "./table_schema.ts";
import type { OpenTable } from "./tables.ts";

export interface MaintenanceOptions {
  /**
   * Rows with vectors from which on a graph (HNSW, vectors as bytes) answers instead of the exact scan. With 11,429 rows of
   * 256 dimensions the scan takes 10 ms of processor time and the graph 3; building it takes 1.6 s.
   * @default 10000
   */
  readonly minVectorIndexRows: number;
  /** How long a state of the table stays readable after the next one; longer than any search takes. @default 60000 */
  readonly retentionMs: number;
}

/** Parts of one index, beyond which it is built anew: each part is searched on its own. */
const MAX_INDEX_PARTS = 4;

/**
 * Merges small files, takes new rows into the indexes and removes old states. Must be alone among the changes of its
 * table; searches read the state they began with.
 */
export async function optimizeTable(open: OpenTable, options: MaintenanceOptions, clock: Clock): Promise<void> {
  const { table } = open;
  // A scan reads its state from files that pruning would remove.
  const removeBefore = open.scans > 0 ? new Date(0) : new Date(clock.wallMs() - options.retentionMs);
  // Files of no state are what a write left that failed or died. No write is under way: changes of a table run one by
  // one, and one process owns the folder.
  await table.optimize({ cleanupOlderThan: removeBefore, deleteUnverified: true });
  const indexes = await table.listIndices();
  const vectorIndex = indexes.find(({ columns }) => columns.includes(FIXED_COLUMNS.vector));
  if (await needsVectorIndex(table, vectorIndex, options)) await buildVectorIndex(table);
}

async function needsVectorIndex(table: Table, existing: IndexConfig | undefined, options: MaintenanceOptions): Promise<boolean> {
  if (existing !== undefined) return (existing.numSegments ?? 1) > MAX_INDEX_PARTS;
  if ((await table.countRows()) < options.minVectorIndexRows) return false;
  return (await table.countRows(`${FIXED_COLUMNS.vector} IS NOT NULL`)) >= options.minVectorIndexRows;
}

async function buildVectorIndex(table: Table): Promise<void> {
  // One partition: a graph finds its way through all rows; several would have to be searched one by one.
  const config = Index.hnswSq({ distanceType: DISTANCE, numPartitions: 1, m: 16, efConstruction: 100 });
  await table.createIndex(FIXED_COLUMNS.vector, { config, replace: true });
}
