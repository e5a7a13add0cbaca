import type { SearchOptions } from "../../vector_store/vector_store.ts";
import type { CompareCandidates, IndexCandidate } from "../fusion/ranked.ts";
import type { ReadyPassage } from "./passage.ts";

/** An index that answers from memory returns the value itself: a warm query then waits for nothing. */
export type MaybePromise<Value> = Value | Promise<Value>;

/**
 * `store`: each search is a call that may wait. `resident`: every method below that may return a value does, so that a
 * query's searches, ranking and passages are one turn, in which nothing changes.
 */
export type IndexKind = "store" | "resident";

/**
 * The searchable side of one build of one collection, as its retriever owns it. Every method fails with a
 * `KennelError`, by throwing or by rejecting; a failure is never an empty list.
 */
export interface RetrievalIndex {
  readonly kind: IndexKind;
  /** Every search from now on sees at least what this index version holds. */
  readonly indexVersion: number;
  /** Memory this index holds, counted. */
  readonly bytes: number;
  /** Milliseconds for which a newer index version has been known and not been taken in; 0: it is up to date. */
  readonly ageMs: number;
  /** Opens what a first search would have to open. */
  warm(signal: AbortSignal): Promise<void>;
  /** The order of ids, for equal scores. */
  readonly compare: CompareCandidates;
  /** At most `options.limit` candidates by cosine, best first, equal scores by id. */
  searchVector(vector: Float32Array, options: SearchOptions, signal: AbortSignal): MaybePromise<readonly IndexCandidate[]>;
  /** At most `options.limit` candidates by BM25, best first, equal scores by id. */
  searchText(query: string, options: SearchOptions, signal: AbortSignal): MaybePromise<readonly IndexCandidate[]>;
  /** The passages of these candidates of this index, in their order; null: the chunk has gone since it was found. */
  passages(candidates: readonly IndexCandidate[], signal: AbortSignal): MaybePromise<readonly (ReadyPassage | null)[]>;
  /** Takes in what has changed up to `indexVersion`. */
  refresh(indexVersion: number): void;
  close(): Promise<void>;
}
