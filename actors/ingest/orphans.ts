import type { CollectionRecord } from "../document_store/collection_record.ts";
import type { IndexName } from "../vector_store/vector_store.ts";
import { buildingOf, type IndexBuilds, standbyOf } from "./index_builds.ts";
import type { IndexingParts } from "./indexing.ts";

/** Ids held in memory while a collection's rows are compared with its documents; a larger one is left as it is. */
const MAX_DOCUMENTS = 1_000_000;
const DOCUMENTS_PER_PAGE = 1_000;
const ROWS_PER_PAGE = 1_000;
const REMOVED_AT_ONCE = 500;

/** What the vector store holds and no record refers to. Each call runs alone on its collection, as writes do. */
export class Orphans {
  readonly #parts: IndexingParts;
  readonly #builds: IndexBuilds;

  constructor(parts: IndexingParts, builds: IndexBuilds) {
    this.#parts = parts;
    this.#builds = builds;
  }

  /** Drops an index that is no build of a collection. False: it is one after all. */
  async dropIndex({ collection, version }: IndexName, signal: AbortSignal): Promise<boolean> {
    const record = await this.#parts.catalog.refresh(collection, signal);
    if (record !== null && (record.version === version || record.versions.some((other) => other.version === version))) return false;
    await this.#builds.drop(collection, version, signal);
    return true;
  }

  /**
   * Removes rows of documents that the document store does not know. Looked for only where the index has more rows than
   * there are chunks, no job is open and no other build is written to. @returns how many documents they were of
   */
  async removeRows(collection: string, signal: AbortSignal): Promise<number> {
    const { catalog, documents } = this.#parts;
    const record = await catalog.refresh(collection, signal);
    if (record === null || !(await this.#hasTooMany(record, signal))) return 0;
    const open = await documents.openJobs(signal);
    if (open.some((job) => job.collection === collection)) return 0;
    const known = await this.#documentsOf(record, signal);
    if (known === null) return 0;
    const orphans = new Set<string>();
    for await (const rows of this.#parts.vectors.scan({ collection, version: record.version }, ROWS_PER_PAGE, signal)) {
      for (const { documentId } of rows) if (!known.has(documentId)) orphans.add(documentId);
    }
    const ids = [...orphans];
    for (let from = 0; from < ids.length; from += REMOVED_AT_ONCE) {
      await this.#builds.remove(record, ids.slice(from, from + REMOVED_AT_ONCE), signal);
    }
    return ids.length;
  }

  async #hasTooMany(record: CollectionRecord, signal: AbortSignal): Promise<boolean> {
    if (record.settings.adopt !== undefined || buildingOf(record) !== null || standbyOf(record) !== null) return false;
    const rows = await this.#builds.countRows({ collection: record.name, version: record.version }, signal);
    return rows !== null && rows > record.chunks;
  }

  /** Null: there are too many to be held. */
  async #documentsOf({ name, documents }: CollectionRecord, signal: AbortSignal): Promise<ReadonlySet<string> | null> {
    if (documents > MAX_DOCUMENTS) return null;
    const ids = new Set<string>();
    let after: string | null = null;
    do {
      const page = await this.#parts.documents.listDocuments(name, { after, limit: DOCUMENTS_PER_PAGE }, signal);
      for (const { id } of page.items) ids.add(id);
      after = page.next;
    } while (after !== null && ids.size <= MAX_DOCUMENTS);
    return after === null ? ids : null;
  }
}
