import type { Timer } from "../../runtime/clock.ts";
import type { KennelError } from "../../runtime/errors.ts";
import type { PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { RetrievalIndex } from "./index/index.ts";
import type { MemoryIndex } from "./index/memory_index.ts";
import type { IndexWrite, Residency } from "./index/residency.ts";
import type { StoreIndex } from "./index/store_index.ts";
import type { PipelineParts } from "./pipeline/search_context.ts";

export type RetrieverState =
  /** The store answers every search. */
  | { readonly kind: "store"; readonly index: StoreIndex; readonly comeback: Comeback }
  /** The store answers while the index in memory is made; `backlog` is what was written since that began. */
  | {
      readonly kind: "building";
      readonly index: StoreIndex;
      /** Ends this build, and tells its outcome from an earlier one's. */
      readonly build: AbortController;
      readonly backlog: readonly IndexWrite[];
      readonly backlogRows: number;
    }
  /**
   * Memory answers. `isKept`: a merge or a snapshot is under way; `isSaved`: a snapshot holds all there is; `leaving`: it is
   * let go when it has been saved, unless a search comes first.
   */
  | {
      readonly kind: "resident";
      readonly index: MemoryIndex;
      readonly isKept: boolean;
      readonly isSaved: boolean;
      readonly saveTimer: Timer | null;
      readonly leaving: PendingAsk | null;
    };

/** When the index in memory is made again: never before the collection is opened anew, after a pause, or for the first search from then on. */
export type Comeback =
  | { readonly kind: "never" }
  | { readonly kind: "after_pause" }
  | { readonly kind: "on_search"; readonly fromMs: number };

export interface RetrieverOptions {
  /** Makes the store's index at the newest index version; opens nothing. */
  readonly openStoreIndex: () => StoreIndex;
  /** Null: the collection is not to be resident, and `storeReason` says why. */
  readonly residency: Residency | null;
  readonly storeReason: string;
  readonly parts: PipelineParts;
  /** Time that opening tables and a first search, or a snapshot, may take at start; what is slower is left for later. */
  readonly warmLimitMs: number;
  /** Told whenever another index answers, before the first search of it. */
  readonly onIndex: (index: RetrievalIndex, reason: string | null) => void;
  /** Told why a step towards a warm index failed; the retriever goes on without it. */
  readonly onTrouble: (step: "warm" | "load" | "build" | "write" | "keep", error: KennelError) => void;
}
