import type { VisibleFilter } from "../../vector_store/filter.ts";
import type { SearchOptions } from "../../vector_store/vector_store.ts";
import type { IndexCandidate } from "../fusion/ranked.ts";
import type { ReadyPassage } from "./passage.ts";
import type { ResidentIndex, ScannedBase } from "./resident/resident_index.ts";

/** What is there at once is returned at once: a warm query then waits for nothing. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** The searchable side of one build of one collection, as its retriever owns it. */
interface IndexOfBuild {
  /** Every search from now on sees at least what this index version holds. */
  readonly indexVersion: number;
  /** Memory this index holds, counted. */
  readonly bytes: number;
  /** Opens what a first search would have to open. */
  warm(signal: AbortSignal): Promise<void>;
  /** Takes in what has changed up to `indexVersion`. */
  refresh(indexVersion: number): void;
  close(): Promise<void>;
}

/**
 * An index whose searches are calls that wait, and may fail with a `KennelError`, by throwing or by rejecting; a failure
 * is never an empty list.
 */
export interface CalledIndex extends IndexOfBuild {
  readonly kind: "store";
  /** At most `options.limit` candidates by cosine, best first, equal scores by id. */
  searchVector(vector: Float32Array, options: SearchOptions, signal: AbortSignal): MaybePromise<readonly IndexCandidate[]>;
  /** At most `options.limit` candidates by BM25, best first, equal scores by id. */
  searchText(query: string, options: SearchOptions, signal: AbortSignal): MaybePromise<readonly IndexCandidate[]>;
  /**
   * The passages of these candidates of this index, in their order; null: the chunk has gone since it was found, or is not
   * for who asks any more.
   */
  passages(
    candidates: readonly IndexCandidate[],
    signal: AbortSignal,
    visible?: VisibleFilter | null,
  ): MaybePromise<readonly (ReadyPassage | null)[]>;
}

/**
 * An index in this process's memory. A query's searches, ranking and passages are one turn, in which nothing changes, and
 * speak of rows by number: no object stands for a candidate.
 */
export interface RowIndex extends IndexOfBuild {
  readonly kind: "resident";
  readonly rows: Pick<ResidentIndex, "searchVector" | "searchText" | "fuse" | "names" | "passage" | "parentText">;
  /** What another thread finds for a vector search; null: the search finds all itself. Rejects when the signal aborts. */
  scanAhead(vector: Float32Array, options: SearchOptions, signal: AbortSignal): MaybePromise<ScannedBase | null>;
  /** Runs `work` in a turn of the event loop that has time for it. */
  inTurn<Value>(work: () => Value, signal: AbortSignal): MaybePromise<Value>;
}

export type RetrievalIndex = CalledIndex | RowIndex;
