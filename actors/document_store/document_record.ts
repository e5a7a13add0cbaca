import type { Attributes } from "../vector_store/filter.ts";

/** What a document is made from, as it was sent. */
export type DocumentSource =
  | { readonly kind: "text"; readonly text: string; readonly format: "text" | "markdown" | "html" }
  | { readonly kind: "file"; readonly mediaType: string; readonly fileName: string; readonly bytes: Uint8Array };

export interface SourceDocument {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly attributes: Attributes;
  readonly principals: readonly string[];
  /** The document's own vector; null: the collection's model makes one per chunk. */
  readonly vector: Float32Array | null;
  readonly source: DocumentSource;
  /** SHA-256 over everything above, in hex: the same id with the same hash is not done twice. */
  readonly contentHash: string;
}

export interface ParentPassage {
  readonly id: string;
  readonly text: string;
}

/** With the principals that its document has now. */
export interface StoredParent extends ParentPassage {
  readonly principals: readonly string[];
}

/** One chunk as cut, before it becomes a row of a store. Offsets are UTF-16 units into the document's parsed text. */
export interface Chunk {
  readonly id: string;
  readonly ordinal: number;
  readonly parentId: string | null;
  readonly text: string;
  readonly indexText: string;
  readonly startOffset: number;
  readonly endOffset: number;
}

/** A document after parsing and chunking. `failure` says why there is nothing to index; then the rest is empty. */
export interface ParsedDocument {
  readonly id: string;
  readonly contentHash: string;
  readonly title: string;
  readonly text: string;
  readonly chunks: readonly Chunk[];
  readonly parents: readonly ParentPassage[];
  readonly failure: string | null;
}

export type DocumentState = "pending" | "indexed" | "failed" | "skipped";

export interface DocumentRecord {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly text: string;
  readonly attributes: Attributes;
  readonly principals: readonly string[];
  readonly contentHash: string;
  readonly state: DocumentState;
  readonly failure: string | null;
  readonly chunks: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Everything of a document that goes into an index besides its chunks, and when it last changed. */
export type DocumentFields = Omit<SourceDocument, "source"> & { readonly updatedAtMs: number };

/** A document as it was sent. */
export type DocumentToParse = DocumentFields & Pick<SourceDocument, "source">;

/** A document as it was cut for one build; `title` is the one that parsing has found. */
export type ChunkedDocument = DocumentFields & { readonly parsed: ParsedDocument };
