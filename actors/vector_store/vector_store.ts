import type { AttributeSchema, Attributes, Filter } from "./filter.ts";

/** One built version of a collection's index inside a store: `docs` version 2 lies in table `docs.v2`, or whatever the adapter calls it. */
export interface IndexName {
  readonly collection: string;
  readonly version: number;
}

/** How vectors are searched: by a graph, or each compared. */
export const VECTOR_INDEXES = ["hnsw", "flat"] as const;
export type VectorIndex = (typeof VECTOR_INDEXES)[number];

export interface IndexSchema {
  /** Components of each vector. */
  readonly dimensions: number;
  /** Analysis of the lexical side: a language's name in English and lower case, or `none` (no stemming, no stop words). */
  readonly language: string;
  readonly attributes: AttributeSchema;
  /** Absent: as the store is configured. One that decides by an index's size does not look at it. */
  readonly vectorIndex?: VectorIndex;
}

/** What a store keeps of one chunk. */
export interface ChunkRow {
  /** `{documentId}#{ordinal}`, unique in its index. */
  readonly id: string;
  readonly documentId: string;
  readonly ordinal: number;
  /** The parent passage this chunk was cut from; null where the document has no parents. */
  readonly parentId: string | null;
  readonly title: string;
  readonly url: string;
  /** The passage as people read it. */
  readonly text: string;
  /** What is analysed for the lexical side: title and heading path put before the passage. */
  readonly indexText: string;
  readonly attributes: Attributes;
  /** Of its document, who alone may find it; empty: whoever may search the collection, unless its setting `acl` says otherwise. */
  readonly principals: readonly string[];
  /** Unit length; null when the text has no vector (no known word): such a chunk is found lexically only. */
  readonly vector: Float32Array | null;
  /** Wall time of the document's last change, in ms; what TTL by age and freshness read. */
  readonly updatedAtMs: number;
}

export type StoredChunk = Omit<ChunkRow, "indexText" | "vector">;

/** A chunk that a branch brought up, before ranking. */
export interface Candidate {
  readonly id: string;
  readonly documentId: string;
  readonly parentId: string | null;
  /** Cosine in -1..1, or BM25 >= 0; better is greater in both. */
  readonly score: number;
}

/** A candidate with what an answer shows of it, from a store that brings both in one call. */
export interface FoundChunk extends Candidate {
  readonly chunk: StoredChunk;
}

export interface SearchOptions {
  /** 1..10,000: so many candidates are weighed, and no more are given. */
  readonly limit: number;
  /** The best so many are all that is looked at and will be shown: a store may leave out the others and bring these with their chunks. Null: all of `limit`. */
  readonly needed: number | null;
  readonly filter: Filter | null;
  /** Rows last changed before this wall time do not exist for the search; null: no TTL. */
  readonly notBeforeMs: number | null;
}

/**
 * Nearest-neighbour search over the chunk vectors of collections, and the rows behind it. Every method rejects with a
 * `KennelError`: `unavailable` when the store can't be reached, `storage_full` when it has no space, `not_found` when
 * the index does not exist, `cancelled` when the signal aborts first.
 */
export interface VectorStore {
  /** Makes the index unless it exists. Rejects with `invalid_request` for a language that the store can't analyse. */
  createIndex(index: IndexName, schema: IndexSchema, signal: AbortSignal): Promise<void>;
  /** Removes the index; nothing happens when there is none. */
  dropIndex(index: IndexName, signal: AbortSignal): Promise<void>;
  /** Adds attribute columns that the schema has and the index lacks. */
  extendSchema(index: IndexName, attributes: AttributeSchema, signal: AbortSignal): Promise<void>;
  /** One atomic change: afterwards `rows` are all that the index holds of `documentIds` (no rows: they are gone). At most 1,000 documents. */
  replaceDocuments(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void>;
  /** At most `options.limit` candidates by cosine, best first, equal scores by id. */
  searchVector(
    index: IndexName,
    vector: Float32Array,
    options: SearchOptions,
    signal: AbortSignal,
  ): Promise<readonly (Candidate | FoundChunk)[]>;
  /** The chunks with these ids, in any order; unknown ids are left out. At most 10,000. */
  fetchChunks(index: IndexName, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredChunk[]>;
  /** Every row in pages, each row once, as of one moment. */
  scan(index: IndexName, pageRows: number, signal: AbortSignal): AsyncIterable<readonly ChunkRow[]>;
  countRows(index: IndexName, signal: AbortSignal): Promise<number>;
  /** Brings indexes up to date with the rows and clears what is old; searches go on meanwhile. */
  optimize(index: IndexName, signal: AbortSignal): Promise<void>;
  /** The indexes in it that no other process can have made, so that one that belongs to no collection may be dropped; none where the store is shared. */
  ownIndexes(signal: AbortSignal): Promise<readonly IndexName[]>;
  /** A real search or its like; resolves when the store can answer. */
  probe(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** BM25 over the chunks' `indexText`. One adapter may serve both ports. */
export interface LexicalIndex {
  /** At most `options.limit` candidates by BM25, best first, equal scores by id. */
  searchText(index: IndexName, query: string, options: SearchOptions, signal: AbortSignal): Promise<readonly Candidate[]>;
}
