import { type AnyBulkWriteOperation, Binary, BSON, type Collection } from "mongodb";
import { kennelError } from "../../../runtime/errors.ts";
import type { Database } from "./database.ts";
import { isDuplicateKey } from "./errors.ts";
import type { Lease, Unfinished } from "./lease.ts";
import type { BlobDocument, BlobReference, Fenced, FencedStore, JournalDocument, JournalWrite } from "./schema.ts";

// Several documents change as one, on servers with and without transactions:
//   W1. Large bytes are written first, as blobs that nothing refers to yet.
//   W2. All other writes are collected, each such that doing it again changes nothing, and written to the journal.
//   W3. One write to the lease commits: before it the operation has no effect, after it every write will be done.
//   W4. The writes are done in their order; a reader meets them one by one, so what shows the others comes last.
//   W5. Whoever holds the lease next does the writes of a committed operation again and removes the blobs and pages of
//       any other. A single write is its own commit and needs no journal.

const MAX_PAGE_WRITES = 500;
/**
 * Writes in one command. The lease is kept between two commands; and FerretDB 1.24 holds one of its 100 SQLite connections for
 * each statement of an update command until the command has ended, so that one with 100 of them waits for itself for ever.
 */
export const MAX_COMMAND_WRITES = 64;
const MAX_PAGE_BYTES = 4 * 1_024 * 1_024;
/** Well below the 16 MiB of a document, so that a page or a part always fits. */
const MAX_PART_BYTES = 4 * 1_024 * 1_024;

type PutDocument<Store extends FencedStore> =
  Database["stores"][Store] extends Collection<infer Document> ? Omit<Document, "fence"> : never;

export class UnitOfWork {
  readonly #database: Database;
  readonly #lease: Lease;
  #pages: JournalWrite[][] = [[]];
  #pageBytes = 0;
  #blobs: BlobDocument[] = [];
  #blobBytes = 0;
  #blobCount = 0;
  #hasWritten = false;

  constructor(database: Database, lease: Lease) {
    this.#database = database;
    this.#lease = lease;
  }

  /** True once something was sent: the lease then may not be let go before it is finished. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  /** For work that writes past the journal, as removals that are begun again after a crash may. */
  keepLease(): Promise<void> {
    return this.#lease.keep();
  }

  put<Store extends FencedStore>(store: Store, document: PutDocument<Store>): void {
    this.#add({ kind: "put", store, document: { ...(document as unknown as { _id: string }), fence: this.#lease.fence } });
  }

  set<Store extends FencedStore>(store: Store, id: string, fields: Partial<PutDocument<Store>>): void {
    this.#add({ kind: "set", store, id, fields });
  }

  delete(store: FencedStore, id: string): void {
    this.#add({ kind: "delete", store, id });
  }

  deleteBlob(blob: BlobReference | null): void {
    if (blob === null) return;
    for (let part = 0; part < blob.parts; part++) this.#add({ kind: "delete", store: "blobs", id: `${blob.id}/${part}` });
  }

  /** W1 */
  async putBlob(c: string, bytes: Uint8Array): Promise<BlobReference> {
    const id = `${this.#lease.op}/${this.#blobCount++}`;
    const parts = Math.ceil(bytes.byteLength / MAX_PART_BYTES);
    for (let part = 0; part < parts; part++) {
      const data = bytes.subarray(part * MAX_PART_BYTES, (part + 1) * MAX_PART_BYTES);
      this.#blobs.push({ _id: `${id}/${part}`, c, op: this.#lease.op, data: new Binary(data) });
      this.#blobBytes += data.byteLength;
      if (this.#blobBytes >= MAX_PART_BYTES || this.#blobs.length >= MAX_PAGE_WRITES) await this.#sendBlobs();
    }
    return { id, parts, bytes: bytes.byteLength };
  }

  /** W2 to W4. When it resolves, everything is done and acknowledged by a majority. */
  async commit(): Promise<void> {
    await this.#sendBlobs();
    const pages = this.#pages.filter((page) => page.length > 0);
    if (pages.length === 0 && !this.#hasWritten) return;
    const isOneWrite = !this.#hasWritten && pages.length === 1 && pages[0]?.length === 1;
    const { journal } = this.#database.stores;
    const { op } = this.#lease;
    if (!isOneWrite) {
      this.#hasWritten = true;
      for (const [page, writes] of pages.entries()) {
        await this.#lease.keep();
        await journal.insertOne({ _id: `${op}/${page}`, op, writes });
      }
      await this.#lease.commit(pages.length);
    }
    for (const writes of pages) await applyWrites(this.#database, this.#lease, writes);
    if (!isOneWrite) await removePages(this.#database, op, pages.length);
    this.#hasWritten = false;
    this.#pages = [[]];
  }

  #add(write: JournalWrite): void {
    const bytes = BSON.calculateObjectSize(write);
    const page = this.#pages.at(-1) as JournalWrite[];
    if (page.length > 0 && (page.length >= MAX_PAGE_WRITES || this.#pageBytes + bytes > MAX_PAGE_BYTES)) {
      this.#pages.push([write]);
      this.#pageBytes = bytes;
    } else {
      page.push(write);
      this.#pageBytes += bytes;
    }
  }

  async #sendBlobs(): Promise<void> {
    if (this.#blobs.length === 0) return;
    this.#hasWritten = true;
    const blobs = this.#blobs;
    this.#blobs = [];
    this.#blobBytes = 0;
    await this.#lease.keep();
    await this.#database.stores.blobs.insertMany(blobs);
  }
}

/** W5 */
export async function finishOperation(database: Database, { op, committed }: Unfinished, lease: Lease): Promise<void> {
  const { journal, blobs } = database.stores;
  if (committed === null) {
    await blobs.deleteMany({ op });
    await journal.deleteMany({ op }); // how many pages there are is not known
  } else {
    for (let page = 0; page < committed; page++) {
      const found: JournalDocument | null = await journal.findOne({ _id: `${op}/${page}` });
      // Pages go when all of them were done.
      if (found !== null) await applyWrites(database, lease, found.writes);
    }
    await removePages(database, op, committed);
  }
}

/** One by one, since each is found by its id on every server; most operations have a single page. */
async function removePages({ stores }: Database, op: string, pages: number): Promise<void> {
  for (let page = 0; page < pages; page++) await stores.journal.deleteOne({ _id: `${op}/${page}` });
}

async function applyWrites(database: Database, lease: Lease, writes: readonly JournalWrite[]): Promise<void> {
  for (const [store, group] of inRuns(writes)) {
    await lease.keep();
    const operations = group.map((write) => toOperation(write, lease.fence, database.capabilities.hasIndexedFilters));
    const target = database.stores[store] as unknown as Collection<Fenced>;
    try {
      await target.bulkWrite(operations, { ordered: true });
    } catch (thrown) {
      // A document of a newer fence is not replaced, and making a second one of its id fails.
      if (!isDuplicateKey(thrown)) throw thrown;
      throw kennelError("unavailable", {
        message: "Another node has taken over writing to this collection",
        retryAfterMs: 1_000,
        cause: thrown,
      });
    }
  }
}

/** Neighbours that go to the same store, so that the order across stores is kept; at most `MAX_COMMAND_WRITES` of them. */
function inRuns(writes: readonly JournalWrite[]): readonly (readonly [JournalWrite["store"], readonly JournalWrite[]])[] {
  const runs: [JournalWrite["store"], JournalWrite[]][] = [];
  for (const write of writes) {
    const last = runs.at(-1);
    if (last !== undefined && last[0] === write.store && last[1].length < MAX_COMMAND_WRITES) last[1].push(write);
    else runs.push([write.store, [write]]);
  }
  return runs;
}

/** @param isFenced whether the server finds the one document by its `_id` also where the filter says more */
function toOperation(write: JournalWrite, fence: number, isFenced: boolean): AnyBulkWriteOperation<Fenced> {
  const filterOf = (id: string) => (isFenced && write.store !== "blobs" ? { _id: id, fence: { $lte: fence } } : { _id: id });
  switch (write.kind) {
    case "put":
      return {
        replaceOne: { filter: filterOf(write.document._id), replacement: withoutId({ ...write.document, fence }), upsert: true },
      };
    case "set":
      return { updateOne: { filter: filterOf(write.id), update: { $set: { ...write.fields, fence } } } };
    default:
      return { deleteOne: { filter: filterOf(write.id) } };
  }
}

function withoutId({ _id, ...rest }: Fenced): Omit<Fenced, "_id"> {
  return rest;
}
