import type { ChunkRow, SearchOptions } from "../../vector_store/vector_store.ts";
import type { MaybePromise, RowIndex } from "./index.ts";
import type { IndexImage } from "./resident/image.ts";
import type { ParentTexts } from "./resident/parent_texts.ts";
import type { ResidentIndex, ScannedBase } from "./resident/resident_index.ts";
import type { ScanThreads } from "./resident/scan_threads.ts";
import type { Turns } from "./turns.ts";

/** What all indexes in memory of a node have in common. */
export interface SearchMeans {
  readonly turns: Turns;
  readonly scans: ScanThreads;
}

/** The index in memory behind the port that the pipeline knows. */
export class MemoryIndex implements RowIndex {
  readonly kind = "resident";
  readonly rows: ResidentIndex;
  readonly #means: SearchMeans;

  constructor(rows: ResidentIndex, means: SearchMeans) {
    this.rows = rows;
    this.#means = means;
  }

  get indexVersion(): number {
    return this.rows.indexVersion;
  }

  get bytes(): number {
    return this.rows.bytes;
  }

  /** What a snapshot may be made of: null while the base lacks what was written since. */
  get snapshotImage(): IndexImage | null {
    if (this.rows.unmergedRows > 0) return null;
    const { memory, header } = this.rows.image;
    // Versions in which no row has changed have moved the index on, but not its image.
    return { memory, header: { ...header, indexVersion: this.rows.indexVersion } };
  }

  async warm(): Promise<void> {}

  scanAhead(vector: Float32Array, options: SearchOptions, signal: AbortSignal): MaybePromise<ScannedBase | null> {
    const { scans } = this.#means;
    return scans.isFor(this.rows) ? scans.scan(this.rows, vector, options, signal) : null;
  }

  inTurn<Value>(work: () => Value, signal: AbortSignal): MaybePromise<Value> {
    return this.#means.turns.run(work, signal);
  }

  /** Afterwards `rows` are all that it holds of `documentIds`. @throws KennelError `storage_full` when memory is refused */
  write(documentIds: readonly string[], rows: readonly ChunkRow[], parents: ParentTexts): void {
    this.rows.replaceDocuments(documentIds, rows, this.indexVersion, parents);
  }

  refresh(indexVersion: number): void {
    this.rows.replaceDocuments([], [], indexVersion);
  }

  async close(): Promise<void> {}
}
