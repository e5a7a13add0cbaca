import type { VectorStore } from "../../vector_store/vector_store.ts";

/**
 * The vector store for a node whose claims may have lapsed: it knows no claims, so that a node that has stood still for too
 * long must not write what another has replaced meanwhile.
 */
export function validWrites<Store extends VectorStore>(store: Store, claims: { assertValid(): void }): Store {
  return {
    ...store,
    replaceDocuments: async (index, documentIds, rows, signal) => {
      claims.assertValid();
      return store.replaceDocuments(index, documentIds, rows, signal);
    },
    dropIndex: async (index, signal) => {
      claims.assertValid();
      return store.dropIndex(index, signal);
    },
  };
}
