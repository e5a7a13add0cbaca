import type { ChunkRow } from "../../../vector_store/vector_store.ts";
import type { AssemblyOptions } from "./assemble.ts";
import type { IndexImage } from "./image.ts";
import type { ParentTexts } from "./parent_texts.ts";
import type { PreparedRow } from "./prepared_row.ts";
import type { MergeInput } from "./resident_index.ts";
import type { SnapshotExpectation, SnapshotOutcome } from "./snapshot.ts";

/** Rows of a build and all of their parents. */
export interface BuildPage {
  readonly rows: readonly ChunkRow[];
  readonly parents: ParentTexts;
}

/** What the index thread does. Images go to and fro as shared memory: nothing of them is copied. */
export type IndexTask =
  /** Prepares a page of a build's rows and keeps them. */
  | { readonly kind: "stage"; readonly build: string; readonly page: BuildPage; readonly options: AssemblyOptions }
  /** Makes the build's image of what was staged, and forgets it. */
  | { readonly kind: "assemble"; readonly build: string; readonly options: AssemblyOptions }
  /** Forgets what was staged. */
  | { readonly kind: "discard"; readonly build: string }
  /** Keeps rows of a merge, which were prepared when they were written. */
  | { readonly kind: "stagePrepared"; readonly build: string; readonly rows: readonly PreparedRow[] }
  /** Makes the merge's image of what was staged and its base, and forgets what was staged. */
  | { readonly kind: "merge"; readonly build: string; readonly base: MergeInput["base"]; readonly options: AssemblyOptions }
  | { readonly kind: "save"; readonly image: IndexImage; readonly path: string }
  | { readonly kind: "load"; readonly path: string; readonly expected: SnapshotExpectation };

export type IndexResult =
  /** Rows the build has by now. */
  | { readonly kind: "staged"; readonly rows: number }
  | { readonly kind: "image"; readonly image: IndexImage }
  | { readonly kind: "saved"; readonly bytes: number }
  | { readonly kind: "snapshot"; readonly outcome: SnapshotOutcome }
  | { readonly kind: "discarded" };

export interface IndexThreadData {
  /** Nobody waits for what it makes: the store answers meanwhile. */
  readonly isInBackground: boolean;
}
