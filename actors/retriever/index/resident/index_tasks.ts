import type { ChunkRow } from "../../../vector_store/vector_store.ts";
import type { AssemblyOptions } from "./assemble.ts";
import type { IndexImage } from "./image.ts";
import type { MergeInput } from "./resident_index.ts";
import type { SnapshotExpectation, SnapshotOutcome } from "./snapshot.ts";

/** What the index thread does. Images go to and fro as shared memory: nothing of them is copied. */
export type IndexTask =
  /** Prepares a page of a build's rows and keeps them. */
  | { readonly kind: "stage"; readonly build: string; readonly rows: readonly ChunkRow[]; readonly options: AssemblyOptions }
  /** Makes the build's image of what was staged, and forgets it. */
  | { readonly kind: "assemble"; readonly build: string; readonly options: AssemblyOptions }
  /** Forgets what was staged. */
  | { readonly kind: "discard"; readonly build: string }
  | { readonly kind: "merge"; readonly input: MergeInput }
  | { readonly kind: "save"; readonly image: IndexImage; readonly path: string }
  | { readonly kind: "load"; readonly path: string; readonly expected: SnapshotExpectation };

export type IndexResult =
  /** Rows the build has by now. */
  | { readonly kind: "staged"; readonly rows: number }
  | { readonly kind: "image"; readonly image: IndexImage }
  | { readonly kind: "saved"; readonly bytes: number }
  | { readonly kind: "snapshot"; readonly outcome: SnapshotOutcome }
  | { readonly kind: "discarded" };
