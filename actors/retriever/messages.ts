import type { KennelError } from "../../runtime/errors.ts";
import type { Asks, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { MemoryIndex } from "./index/memory_index.ts";
import type { IndexWrite } from "./index/residency.ts";
import type { PipelineAnswer } from "./pipeline/pipeline.ts";
import type { PreparedSearch } from "./pipeline/search_context.ts";

/** The outcome of a search as the actor sees it. */
export type SearchOutcome =
  | { readonly kind: "answered"; readonly answer: PipelineAnswer }
  /** The query's own fault, or a service's (R1 of retriever.ts). */
  | { readonly kind: "refused"; readonly error: KennelError };

interface SearchMessage extends Asks<SearchOutcome> {
  readonly kind: "search";
  readonly search: PreparedSearch;
}

/** Answered with the index version that searches see from now on. */
interface RefreshMessage extends Asks<number> {
  readonly kind: "refresh";
  readonly indexVersion: number;
}

/** The store has acknowledged it. Answered when the next search sees it. */
interface WriteMessage extends Asks<true> {
  readonly kind: "write";
  readonly write: IndexWrite;
}

/**
 * To let go of what is held in memory. Answered true when nothing is held any more, false when a search came first or
 * another one asks for the same.
 */
interface LeaveMessage extends Asks<boolean> {
  readonly kind: "leave";
  readonly isToSave: boolean;
}

/** An index in memory as it was made; `isSaved`: a snapshot holds all of it. */
export interface MadeIndex {
  readonly index: MemoryIndex;
  readonly isSaved: boolean;
}

interface ProbeMessage extends Asks<true> {
  readonly kind: "probe";
}

export type RetrieverMessage =
  | SearchMessage
  | RefreshMessage
  | WriteMessage
  | LeaveMessage
  | ProbeMessage
  /** A piped search has ended. */
  | { readonly kind: "ended"; readonly ask: PendingAsk; readonly outcome: Outcome<unknown> }
  | { readonly kind: "build" }
  | { readonly kind: "built"; readonly build: AbortController; readonly outcome: Outcome<MadeIndex> }
  /** A piped write into this index has ended. */
  | { readonly kind: "written"; readonly ask: PendingAsk | null; readonly index: MemoryIndex; readonly outcome: Outcome<void> }
  | { readonly kind: "save" }
  /** A merge, or a merge and a snapshot, has ended. */
  | { readonly kind: "kept"; readonly index: MemoryIndex; readonly isMerge: boolean; readonly outcome: Outcome<unknown> };
