/**
 * The parts of the node as a key with a grant may use them: routes that are made of these cannot reach a collection that the
 * key's pattern does not name, whatever their requests say.
 *
 * Invariants:
 *   G1. A name that the pattern does not cover is `forbidden`, whether there is such a collection or not.
 *   G2. An alias is judged by the collection that it leads to.
 *   G3. Lists leave out what is foreign; a foreign job or file is as one that does not exist.
 */
import type { AliasRecord, CollectionRecord, CollectionSettings } from "../../../actors/document_store/document_store.ts";
import type { Upload } from "../../../actors/ingest/upload_folder.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { allowsScope, type Grant, namesCollection, namesEveryCollection } from "../../keys/grant.ts";
import type { PageRequest } from "../../schema/pages.ts";
import type {
  CollectionAdoption,
  CollectionCatalog,
  CollectionReindex,
  DocumentIngest,
  DocumentReader,
  FileUploads,
  RetrieverPool,
} from "../collaborators.ts";

interface Guarded {
  readonly catalog: CollectionCatalog;
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest & CollectionReindex;
  readonly registry: RetrieverPool;
  readonly adoption: CollectionAdoption;
  readonly uploads: FileUploads;
}

export function guardedParts<Parts extends Guarded>(parts: Parts, grant: Grant): Parts {
  const guard = new Guard(grant);
  const catalog = new GuardedCatalog(parts.catalog, guard);
  const documents = guardedDocuments(parts.documents, guard);
  return {
    ...parts,
    catalog,
    documents,
    ingest: guardedIngest(parts.ingest, documents, guard),
    registry: guardedRetrievers(parts.registry, catalog, guard),
    adoption: guardedAdoption(parts.adoption, guard),
    uploads: guardedUploads(parts.uploads, grant),
  };
}

class Guard {
  readonly grant: Grant;

  constructor(grant: Grant) {
    this.grant = grant;
  }

  covers(collection: string): boolean {
    return namesCollection(this.grant.collections, collection);
  }

  /** @param named what the caller called it */
  require(collection: string, named = collection): void {
    if (!this.covers(collection)) throw kennelError("forbidden", { message: `The key does not allow the collection "${named}"` });
  }
}

class GuardedCatalog implements CollectionCatalog {
  readonly #inner: CollectionCatalog;
  readonly #guard: Guard;

  constructor(inner: CollectionCatalog, guard: Guard) {
    this.#inner = inner;
    this.#guard = guard;
  }

  resolve(nameOrAlias: string) {
    const resolved = this.#inner.resolve(nameOrAlias);
    this.#guard.require(resolved?.record.name ?? nameOrAlias, nameOrAlias); // G1, G2
    return resolved;
  }

  list({ after, limit }: PageRequest) {
    const items: CollectionRecord[] = [];
    let from = after;
    do {
      const page: ReturnType<CollectionCatalog["list"]> = this.#inner.list({ after: from, limit });
      for (const record of page.items) if (this.#guard.covers(record.name)) items.push(record);
      from = page.next;
    } while (from !== null && items.length <= limit);
    const isMore = items.length > limit;
    const shown = items.slice(0, limit);
    return { items: shown, next: isMore ? (shown.at(-1)?.name ?? null) : null };
  }

  aliases() {
    return this.#inner.aliases().filter(({ collection }) => this.#guard.covers(collection));
  }

  async put(name: string, settings: CollectionSettings, signal: AbortSignal) {
    this.#guard.require(name);
    return this.#inner.put(name, settings, signal);
  }

  async delete(name: string, signal: AbortSignal) {
    this.#guard.require(name);
    return this.#inner.delete(name, signal);
  }

  async putAlias(record: AliasRecord, signal: AbortSignal) {
    this.#guard.require(record.alias);
    this.#guard.require(record.collection);
    return this.#inner.putAlias(record, signal);
  }

  async deleteAlias(alias: string, signal: AbortSignal) {
    this.#guard.require(alias);
    return this.#inner.deleteAlias(alias, signal);
  }
}

function guardedDocuments(inner: DocumentReader, guard: Guard): DocumentReader {
  return {
    async getDocument(collection, id, signal) {
      guard.require(collection);
      return inner.getDocument(collection, id, signal);
    },
    async listDocuments(collection, page, signal) {
      guard.require(collection);
      return inner.listDocuments(collection, page, signal);
    },
    async getJob(jobId, signal) {
      const job = await inner.getJob(jobId, signal);
      return job !== null && guard.covers(job.collection) ? job : null; // G3
    },
  };
}

type Ingest = DocumentIngest & CollectionReindex;

function guardedIngest(inner: Ingest, documents: DocumentReader, guard: Guard): Ingest {
  /** Checks the collection that a call begins with. */
  const within =
    <Rest extends readonly unknown[], Result>(call: (collection: string, ...rest: Rest) => Promise<Result>) =>
    async (collection: string, ...rest: Rest): Promise<Result> => {
      guard.require(collection);
      return call(collection, ...rest);
    };
  return {
    accept: within((...given) => inner.accept(...given)),
    deleteDocuments: within((...given) => inner.deleteDocuments(...given)),
    deleteMatching: within((...given) => inner.deleteMatching(...given)),
    reindex: within((...given) => inner.reindex(...given)),
    switchVersion: within((...given) => inner.switchVersion(...given)),
    retireVersion: within((...given) => inner.retireVersion(...given)),
    dropVersion: within((...given) => inner.dropVersion(...given)),
    async cancel(jobId, signal) {
      return (await documents.getJob(jobId, signal)) !== null && inner.cancel(jobId, signal);
    },
  };
}

function guardedRetrievers(inner: RetrieverPool, catalog: CollectionCatalog, guard: Guard): RetrieverPool {
  return {
    async warm(nameOrAlias, signal) {
      catalog.resolve(nameOrAlias);
      return inner.warm(nameOrAlias, signal);
    },
    async refresh(collection, indexVersion) {
      guard.require(collection);
      return inner.refresh(collection, indexVersion);
    },
  };
}

/** Collections of others in the vector store are no collection of any pattern yet. */
function guardedAdoption(inner: CollectionAdoption, { grant }: Guard): CollectionAdoption {
  const requireAdmin = () => {
    if (allowsScope(grant.scope, "admin") && namesEveryCollection(grant.collections)) return;
    throw kennelError("forbidden", { message: "Adopting a collection needs a key with the scope admin for every collection" });
  };
  return {
    async list(...given) {
      requireAdmin();
      return inner.list(...given);
    },
    async look(...given) {
      requireAdmin();
      return inner.look(...given);
    },
    async adopt(...given) {
      requireAdmin();
      return inner.adopt(...given);
    },
  };
}

/** A file waits for those with the same collections as the key that brought it, and for those with all. */
export function guardedUploads(inner: FileUploads, { collections }: Grant): FileUploads {
  const mayUse = ({ audience }: Upload) => namesEveryCollection(collections) || audience === collections;
  const find = (id: string) => {
    const upload = inner.get(id);
    return upload !== null && mayUse(upload) ? upload : null;
  };
  return {
    list: () => inner.list().filter((upload) => mayUse(upload)),
    get: find,
    content: async (id) => (find(id) === null ? null : inner.content(id)),
    put: (file, content) => inner.put({ ...file, audience: collections }, content),
    delete: async (id) => find(id) !== null && inner.delete(id),
  };
}
