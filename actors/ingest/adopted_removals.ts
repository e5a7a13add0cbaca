import { kennelError } from "../../runtime/errors.ts";
import type { Adoption, ForeignCollections } from "../vector_store/adoption.ts";
import type { Filter } from "../vector_store/filter.ts";
import type { Indexing } from "./indexing.ts";

/** Documents that are looked for, and removed, at once. */
const PAGE = 500;

/** An adopted collection that may be written to. */
export interface AdoptedTarget {
  readonly collection: string;
  readonly adoption: Adoption;
  readonly foreign: Pick<ForeignCollections, "heldDocuments" | "matchDocuments">;
}

/** Removes documents whoever has written them. @returns how many there were */
export async function removeAdopted(
  { collection, adoption, foreign }: AdoptedTarget,
  indexing: Indexing,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  for (let from = 0; from < ids.length; from += PAGE) {
    const page = ids.slice(from, from + PAGE);
    const held = await foreign.heldDocuments(adoption, page, signal);
    const known = await indexing.removeDocuments(collection, page, signal);
    removed += Math.max(held.length, known); // one that made no row is known and not held
  }
  return removed;
}

/** Removes the documents of which a row matches. @returns how many there were */
export async function removeAdoptedMatching(
  target: AdoptedTarget,
  indexing: Indexing,
  filter: Filter,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  for (;;) {
    const ids = await target.foreign.matchDocuments(target.adoption, filter, PAGE, signal);
    if (ids.length === 0) return removed;
    const gone = await removeAdopted(target, indexing, ids, signal);
    if (gone === 0) throw kennelError("conflict", { message: "The adopted collection keeps rows that a deletion should have taken" });
    removed += gone;
  }
}
