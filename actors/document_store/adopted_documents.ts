import { kennelError } from "../../runtime/errors.ts";
import type { AdoptedDocument, ForeignCollections } from "../vector_store/adoption.ts";
import type { Catalog } from "./catalog.ts";
import type { CollectionRecord } from "./collection_record.ts";
import type { DocumentRecord } from "./document_record.ts";
import type { DocumentStore } from "./document_store.ts";

type Reader = Pick<DocumentStore, "getDocument" | "listDocuments">;

/** Documents as the document store has them, and where a collection has adopted rows that it knows no document of, as those tell of it. */
export function adoptedDocuments(documents: Reader, catalog: Pick<Catalog, "resolve">, foreign: ForeignCollections | null): Reader {
  return {
    async getDocument(collection, id, signal) {
      const known = await documents.getDocument(collection, id, signal);
      const record = catalog.resolve(collection)?.record;
      const adopt = record?.settings.adopt;
      if (known !== null || record === undefined || adopt === undefined || foreign === null) return known;
      const found = await foreign.readDocument(adopt, id, signal);
      return found === null ? null : toRecord(id, found, record);
    },
    async listDocuments(collection, page, signal) {
      const record = catalog.resolve(collection)?.record;
      if (record?.settings.adopt?.mode === "read_only") {
        const message = `Collection "${record.name}" has adopted "${record.settings.adopt.collection}" read-only; its documents are not listed, but can be searched, and read by id`;
        throw kennelError("conflict", { param: "collection", message });
      }
      return documents.listDocuments(collection, page, signal);
    },
  };
}

/** Nobody has written down when it was made; that it was there when it was adopted is known. */
function toRecord(id: string, { rows, ...document }: AdoptedDocument, { createdAtMs }: CollectionRecord): DocumentRecord {
  return {
    id,
    ...document,
    principals: [],
    contentHash: "",
    state: "indexed",
    failure: null,
    chunks: rows,
    createdAtMs,
    updatedAtMs: createdAtMs,
  };
}
