import type { IndexName, LexicalIndex, VectorStore } from "../../vector_store/vector_store.ts";
import type { IndexWrite } from "../index/residency.ts";
import type { PassingParents } from "./passing_parents.ts";

/** Who has to hear of every write that the store has acknowledged. */
export interface WriteFollower {
  written(index: IndexName, write: IndexWrite): Promise<void>;
}

/**
 * The store as those who write to it see it: a write is done when the store has it and every index in memory on this
 * node shows it. The store is written first, so what a crash loses of the rest can be made again.
 * @param parents noted when the document store took them, before the rows
 */
export function followWrites(
  store: VectorStore & LexicalIndex,
  follower: WriteFollower,
  parents: PassingParents,
): VectorStore & LexicalIndex {
  return {
    createIndex: (index, schema, signal) => store.createIndex(index, schema, signal),
    dropIndex: (index, signal) => store.dropIndex(index, signal),
    extendSchema: (index, attributes, signal) => store.extendSchema(index, attributes, signal),
    async replaceDocuments(index, documentIds, rows, signal) {
      await store.replaceDocuments(index, documentIds, rows, signal);
      // A document that is removed has no parents to show.
      const taken = parents.take(index, new Set(rows.map(({ documentId }) => documentId)));
      await follower.written(index, { documentIds, rows, parents: taken });
    },
    searchVector: (index, vector, options, signal) => store.searchVector(index, vector, options, signal),
    searchText: (index, query, options, signal) => store.searchText(index, query, options, signal),
    fetchChunks: (index, ids, signal) => store.fetchChunks(index, ids, signal),
    scan: (index, pageRows, signal) => store.scan(index, pageRows, signal),
    countRows: (index, signal) => store.countRows(index, signal),
    optimize: (index, signal) => store.optimize(index, signal),
    ownIndexes: (signal) => store.ownIndexes(signal),
    probe: (signal) => store.probe(signal),
    close: () => store.close(),
  };
}
