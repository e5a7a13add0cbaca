import { toKennelError } from "../../../runtime/errors.ts";
import type { IndexName, LexicalIndex, VectorStore } from "../../vector_store/vector_store.ts";

type SearchStore = Pick<VectorStore, "searchVector" | "fetchChunks" | "scan"> & LexicalIndex;

/** The store as searches see it. `onMissing` is told of each index that the store says it does not have; it must not wait. */
export function watchMissing(store: SearchStore, onMissing: (index: IndexName) => void): SearchStore {
  const watched = async <Result>(index: IndexName, call: Promise<Result>): Promise<Result> => {
    try {
      return await call;
    } catch (thrown) {
      if (toKennelError(thrown).code === "not_found") onMissing(index);
      throw thrown;
    }
  };
  return {
    searchVector: (index, vector, options, signal) => watched(index, store.searchVector(index, vector, options, signal)),
    searchText: (index, query, options, signal) => watched(index, store.searchText(index, query, options, signal)),
    fetchChunks: (index, ids, signal) => watched(index, store.fetchChunks(index, ids, signal)),
    scan: (index, pageRows, signal) => store.scan(index, pageRows, signal), // whoever scans an index has searched it before
  };
}
