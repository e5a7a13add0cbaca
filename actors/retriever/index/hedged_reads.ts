import { Hedge, type HedgeOptions } from "../../../runtime/hedge.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import type { LexicalIndex, VectorStore } from "../../vector_store/vector_store.ts";

type SearchStore = Pick<VectorStore, "searchVector" | "fetchChunks"> & LexicalIndex;

/** One collection's reads of its store, slow ones attempted twice; what is slow is learned for each kind of call. */
export function hedgedSearches(store: SearchStore, options: HedgeOptions): SearchStore {
  const [vectors, texts, chunks] = [new Hedge(options), new Hedge(options), new Hedge(options)];
  return {
    searchVector: (index, vector, search, signal) => vectors.run(signal, (attempt) => store.searchVector(index, vector, search, attempt)),
    searchText: (index, query, search, signal) => texts.run(signal, (attempt) => store.searchText(index, query, search, attempt)),
    fetchChunks: (index, ids, signal) => chunks.run(signal, (attempt) => store.fetchChunks(index, ids, attempt)),
  };
}

/** The same for the parents that answers show. */
export function hedgedParents(documents: Pick<DocumentStore, "getParents">, options: HedgeOptions): Pick<DocumentStore, "getParents"> {
  const parents = new Hedge(options);
  return {
    getParents: (collection, version, ids, signal) =>
      parents.run(signal, (attempt) => documents.getParents(collection, version, ids, attempt)),
  };
}
