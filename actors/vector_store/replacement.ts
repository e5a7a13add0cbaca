import type { ChunkRow } from "./vector_store.ts";

/** Documents in one `replaceDocuments`, as the port promises. */
const MAX_DOCUMENTS = 1_000;

/** Refuses what would leave the index in a state that nobody meant. */
export function checkReplacement(documentIds: readonly string[], rows: readonly ChunkRow[]): void {
  if (documentIds.length > MAX_DOCUMENTS)
    throw new RangeError(`Cannot replace ${documentIds.length} documents at once: at most ${MAX_DOCUMENTS}`);
  const documents = new Set(documentIds);
  const seen = new Set<string>();
  for (const { id, documentId } of rows) {
    if (!documents.has(documentId)) throw new RangeError("Cannot replace documents: a row belongs to none of them");
    if (seen.has(id)) throw new RangeError("Cannot replace documents: two rows have one id");
    seen.add(id);
  }
}
