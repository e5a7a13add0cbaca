import type { ChunkRow, SearchOptions } from "../../vector_store/vector_store.ts";
import type { CompareCandidates, IndexCandidate } from "../fusion/ranked.ts";
import type { RetrievalIndex } from "./index.ts";
import type { ReadyPassage } from "./passage.ts";
import type { RowHits } from "./resident/hits.ts";
import type { IndexImage, RowNames } from "./resident/image.ts";
import { compareIds } from "./resident/prepared_row.ts";
import type { ResidentIndex } from "./resident/resident_index.ts";

/** The index in memory behind the port that the pipeline knows. Its candidates hold for the turn in which they were found. */
export class MemoryIndex implements RetrievalIndex {
  readonly kind = "resident";
  /** Every write of this node reaches it before the index version that it belongs to is known. */
  readonly ageMs = 0;
  readonly resident: ResidentIndex;

  constructor(resident: ResidentIndex) {
    this.resident = resident;
  }

  get indexVersion(): number {
    return this.resident.indexVersion;
  }

  get bytes(): number {
    return this.resident.bytes;
  }

  /** What a snapshot may be made of: null while the base lacks what was written since. */
  get snapshotImage(): IndexImage | null {
    if (this.resident.unmergedRows > 0) return null;
    const { memory, header } = this.resident.image;
    // Versions in which no row has changed have moved the index on, but not its image.
    return { memory, header: { ...header, indexVersion: this.resident.indexVersion } };
  }

  async warm(): Promise<void> {}

  searchVector(vector: Float32Array, options: SearchOptions): readonly IndexCandidate[] {
    return this.#candidates(this.resident.searchVector(vector, options));
  }

  searchText(query: string, options: SearchOptions): readonly IndexCandidate[] {
    return this.#candidates(this.resident.searchText(query, options));
  }

  passages(candidates: readonly IndexCandidate[]): readonly ReadyPassage[] {
    return candidates.map(({ key }) => this.resident.passage(key as number));
  }

  /** Rows of a base stand in the order of their ids, so few ids have to be read. */
  readonly compare: CompareCandidates = (a, b) => {
    const [left, right] = [a.key as number, b.key as number];
    const baseRows = this.resident.image.header.rows;
    return left < baseRows && right < baseRows ? left - right : compareIds(a.id, b.id);
  };

  /** Afterwards `rows` are all that it holds of `documentIds`. @throws KennelError `storage_full` when memory is refused */
  write(documentIds: readonly string[], rows: readonly ChunkRow[]): void {
    this.resident.replaceDocuments(documentIds, rows, this.indexVersion);
  }

  refresh(indexVersion: number): void {
    this.resident.replaceDocuments([], [], indexVersion);
  }

  async close(): Promise<void> {}

  #candidates({ rows, scores }: RowHits): readonly IndexCandidate[] {
    const candidates: IndexCandidate[] = new Array(rows.length);
    for (let at = 0; at < rows.length; at++)
      candidates[at] = new ResidentCandidate(this.resident, rows[at] as number, scores[at] as number);
    return candidates;
  }
}

/** A row and its score; who it is is read when someone asks, which few of a hundred candidates are. */
class ResidentCandidate implements IndexCandidate {
  readonly key: number;
  readonly score: number;
  readonly #resident: ResidentIndex;
  #names: RowNames | null = null;

  constructor(resident: ResidentIndex, row: number, score: number) {
    this.key = row;
    this.score = score;
    this.#resident = resident;
  }

  get id(): string {
    return this.#read().id;
  }

  get documentId(): string {
    return this.#read().documentId;
  }

  get parentId(): string | null {
    return this.#read().parentId;
  }

  #read(): RowNames {
    this.#names ??= this.#resident.names(this.key);
    return this.#names;
  }
}
