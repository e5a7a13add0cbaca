import { type Connection, connect, Session } from "@lancedb/lancedb";
import type { Clock } from "../../runtime/clock.ts";
import type { AttributeSchema } from "./filter.ts";
import { type Batch, decodeRows } from "./lancedb/decode_rows.ts";
import { refuseAborted, translateFailure, untilAborted } from "./lancedb/failures.ts";
import { type MaintenanceOptions, optimizeTable } from "./lancedb/maintenance.ts";
import { fetchChunks, searchText, searchVector } from "./lancedb/search.ts";
import { indexOfTable } from "./lancedb/table_schema.ts";
import { type OpenTable, TableCache } from "./lancedb/tables.ts";
import { createTable, dropTable, extendTable, replaceDocuments } from "./lancedb/writes.ts";
import { checkReplacement } from "./replacement.ts";
import type { Candidate, ChunkRow, IndexName, IndexSchema, LexicalIndex, SearchOptions, StoredChunk, VectorStore } from "./vector_store.ts";

export interface LanceDbOptions extends MaintenanceOptions {
  /** Where the tables lie; made when it is missing. One process at a time. */
  readonly directory: string;
  /** Tables held open, each with LanceDB's caches. @default 256 */
  readonly maxOpenTables: number;
  /** Parts of indexes that LanceDB keeps in memory, those of states that have passed included; its own bound is 6 GB. @default 512 MiB */
  readonly indexCacheBytes?: number;
  /** The same of files' heads and schemas; its own bound is 1 GB. @default 64 MiB */
  readonly metadataCacheBytes?: number;
  readonly clock: Clock;
}

const MEBIBYTE = 1_048_576;
const TABLES_PER_PAGE = 1_000;

/** The embedded store: vectors and BM25 of every collection, one LanceDB table for each index, within this process. */
export async function openLanceDb(options: LanceDbOptions): Promise<VectorStore & LexicalIndex> {
  const { directory, indexCacheBytes = 512 * MEBIBYTE, metadataCacheBytes = 64 * MEBIBYTE } = options;
  try {
    const caches = new Session(BigInt(indexCacheBytes), BigInt(metadataCacheBytes));
    return new LanceDbStore(await connect(directory, {}, caches), options);
  } catch (thrown) {
    throw translateFailure(thrown, "open the vector store", null);
  }
}

/**
 * Invariants:
 *   L1. Every change is one commit of one table.
 *   L2. A search sees every change that ended before it began, whether or not `optimize` has run since.
 *   L3. A promise settles as soon as its signal aborts; LanceDB's own work can't be interrupted and ends unseen.
 *   L4. No message of LanceDB leaves this file but as a `cause`.
 */
class LanceDbStore implements VectorStore, LexicalIndex {
  readonly #connection: Connection;
  readonly #tables: TableCache;
  readonly #options: LanceDbOptions;

  constructor(connection: Connection, options: LanceDbOptions) {
    this.#connection = connection;
    this.#tables = new TableCache(connection, options.maxOpenTables);
    this.#options = options;
  }

  createIndex(index: IndexName, schema: IndexSchema, signal: AbortSignal): Promise<void> {
    const create = () => createTable(this.#connection, index, schema);
    return settle("create", index, signal, () => this.#tables.alone(index, unlessAborted(signal, create)));
  }

  dropIndex(index: IndexName, signal: AbortSignal): Promise<void> {
    const drop = async () => {
      this.#tables.forget(index);
      await dropTable(this.#connection, index);
      this.#tables.forget(index); // a search may have opened it again before it was gone
    };
    return settle("drop", index, signal, () => this.#tables.alone(index, unlessAborted(signal, drop)));
  }

  extendSchema(index: IndexName, attributes: AttributeSchema, signal: AbortSignal): Promise<void> {
    return this.#change("extend", index, signal, (open) => extendTable(open, attributes));
  }

  replaceDocuments(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    return this.#change("write", index, signal, async (open) => {
      checkReplacement(documentIds, rows);
      await replaceDocuments(open, documentIds, rows);
    });
  }

  searchVector(index: IndexName, vector: Float32Array, options: SearchOptions, signal: AbortSignal): Promise<readonly Candidate[]> {
    return this.#read("search", index, signal, (open) => searchVector(open, vector, options));
  }

  searchText(index: IndexName, query: string, options: SearchOptions, signal: AbortSignal): Promise<readonly Candidate[]> {
    return this.#read("search", index, signal, (open) => searchText(open, query, options));
  }

  fetchChunks(index: IndexName, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredChunk[]> {
    return this.#read("read", index, signal, (open) => fetchChunks(open, ids));
  }

  countRows(index: IndexName, signal: AbortSignal): Promise<number> {
    return this.#read("count", index, signal, (open) => open.table.countRows());
  }

  optimize(index: IndexName, signal: AbortSignal): Promise<void> {
    return this.#change("optimize", index, signal, (open) => optimizeTable(open, this.#options, this.#options.clock));
  }

  async *scan(index: IndexName, pageRows: number, signal: AbortSignal): AsyncIterable<readonly ChunkRow[]> {
    const holding = Promise.withResolvers<OpenTable>();
    const released = Promise.withResolvers<void>();
    // The table stays in use for as long as the caller reads.
    const used = this.#tables.use(index, async (open) => {
      open.scans += 1;
      holding.resolve(open);
      await released.promise;
      open.scans -= 1;
    });
    used.catch(holding.reject);
    try {
      const open = await settle("scan", index, signal, () => holding.promise);
      // A query is answered from the state of the table at its start.
      const batches = open.table.query()[Symbol.asyncIterator]();
      for (;;) {
        const { done, value } = await settle("scan", index, signal, () => batches.next());
        if (done) return;
        for (const page of pages(decodeRows(value as Batch, open.layout), pageRows)) yield page;
      }
    } finally {
      released.resolve();
    }
  }

  /** The folder is one process's. */
  async ownIndexes(signal: AbortSignal): Promise<readonly IndexName[]> {
    const indexes: IndexName[] = [];
    for (let startAfter = ""; ; ) {
      const page = await settle("list", null, signal, () =>
        this.#connection.tableNames({ limit: TABLES_PER_PAGE, ...(startAfter === "" ? {} : { startAfter }) }),
      );
      for (const name of page) {
        const index = indexOfTable(name);
        if (index !== null) indexes.push(index);
      }
      startAfter = page.at(-1) ?? "";
      if (page.length < TABLES_PER_PAGE) return indexes;
    }
  }

  /** A query on a table that is open, else the list of tables. */
  async probe(signal: AbortSignal): Promise<void> {
    await settle("reach the vector store", null, signal, async () => {
      const open = this.#tables.lastUsed();
      if (open === null) return void (await this.#connection.tableNames({ limit: 1 }));
      await open.table.countRows();
    });
  }

  async close(): Promise<void> {
    await this.#tables.close();
    this.#connection.close();
  }

  #read<Result>(attempted: string, index: IndexName, signal: AbortSignal, work: (open: OpenTable) => Promise<Result>): Promise<Result> {
    return settle(attempted, index, signal, () => this.#tables.use(index, work));
  }

  #change<Result>(attempted: string, index: IndexName, signal: AbortSignal, work: (open: OpenTable) => Promise<Result>): Promise<Result> {
    return settle(attempted, index, signal, () =>
      this.#tables.change(index, (open) => {
        refuseAborted(signal); // it may have waited long for its turn
        return work(open);
      }),
    );
  }
}

function unlessAborted<Result>(signal: AbortSignal, work: () => Promise<Result>): () => Promise<Result> {
  return async () => {
    refuseAborted(signal);
    return work();
  };
}

/** L3, L4 */
async function settle<Result>(
  attempted: string,
  index: IndexName | null,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  refuseAborted(signal);
  try {
    return await untilAborted(work(), signal);
  } catch (thrown) {
    throw translateFailure(thrown, attempted, index);
  }
}

function* pages<Item>(items: readonly Item[], size: number): Iterable<readonly Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
