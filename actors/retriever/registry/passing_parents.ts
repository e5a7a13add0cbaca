import type { ParsedDocument } from "../../document_store/document_record.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import type { IndexName } from "../../vector_store/vector_store.ts";

/** What a text costs beside its characters. */
const TEXT_OVERHEAD_BYTES = 100;

interface Family {
  readonly texts: ReadonlyMap<string, string>;
  readonly bytes: number;
}

/**
 * Parents of documents that are on their way into an index: the document store has them, the write of the rows is still to
 * come, and takes them along. Bounded by bytes, oldest out first; what is not here is read from the document store.
 */
export class PassingParents {
  readonly #families = new Map<string, Family>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  note(index: IndexName, documents: readonly Pick<ParsedDocument, "id" | "parents">[]): void {
    for (const { id, parents } of documents) {
      const key = keyOf(index, id);
      this.#remove(key);
      const bytes = parents.reduce((sum, { text }) => sum + text.length * 2 + TEXT_OVERHEAD_BYTES, TEXT_OVERHEAD_BYTES);
      if (bytes > this.#maxBytes) continue;
      this.#families.set(key, { texts: new Map(parents.map(({ id: parent, text }) => [parent, text])), bytes });
      this.#bytes += bytes;
    }
    for (const key of this.#families.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(key);
    }
  }

  /** All parents of these documents, which are forgotten here; null: those of one of them are not known. */
  take(index: IndexName, documentIds: Iterable<string>): ReadonlyMap<string, string> | null {
    const taken = new Map<string, string>();
    let isWhole = true;
    for (const id of documentIds) {
      const key = keyOf(index, id);
      const family = this.#families.get(key);
      if (family === undefined) isWhole = false;
      else for (const [parent, text] of family.texts) taken.set(parent, text);
      this.#remove(key);
    }
    return isWhole ? taken : null;
  }

  #remove(key: string): void {
    const family = this.#families.get(key);
    if (family === undefined) return;
    this.#families.delete(key);
    this.#bytes -= family.bytes;
  }
}

/** The document store as those who write to it see it: what it has taken of parents is noted for the write that follows. */
export function noteParents(store: DocumentStore, parents: PassingParents): DocumentStore {
  return {
    ...store,
    async putChunks(collection, version, documents, signal) {
      await store.putChunks(collection, version, documents, signal);
      parents.note({ collection, version }, documents);
    },
  };
}

/** A collection's name has no dot, a document's id may have anything. */
function keyOf({ collection, version }: IndexName, documentId: string): string {
  return `${collection}.${version}.${documentId}`;
}
