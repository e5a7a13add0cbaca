import type { Adoption } from "../../../actors/vector_store/adoption.ts";

/** A collection of others that Kennel may read, whose words nobody ranks. */
export function adoptionOf(changes: Partial<Adoption> = {}): Adoption {
  return {
    collection: "articles",
    mode: "read_only",
    fields: { id: "id", vector: "vector", text: "text", documentId: "doc_id", title: null, url: null },
    columns: {},
    attributes: {},
    ignored: [],
    hasDynamicField: false,
    dimensions: 4,
    metric: "COSINE",
    index: { type: "HNSW", lists: null },
    isUnit: true,
    textSearch: null,
    lexical: "none",
    language: "english",
    canEmbed: true,
    ...changes,
  };
}
