import type { Clock } from "../../runtime/clock.ts";
import { createWorkerPool, type WorkerPool } from "../../runtime/worker_pool.ts";
import type { DocumentStore } from "./document_store.ts";
import { toChunkedDocument } from "./libsql/documents.ts";

import { type Arguments, type Call, OPERATIONS, type Result } from "./libsql/operations.ts";
import type { StoreThreadData } from "./libsql/store_thread.ts";
import { toIndexedDocument } from "./rules.ts";
import { soleClaims } from "./work_claims.ts";

/** The document store's file in the data folder. */
export const DATABASE_FILE = "kennel.db";

export interface LibsqlOptions {
  /** The database file; its folder exists. */
  readonly path: string;
  /** Time after which a caller is no longer kept waiting; the statement goes on to its end. */
  readonly callTimeoutMs: number;
  readonly busyTimeoutMs: number;
  /** Calls that wait for each of the two threads. */
  readonly maxQueue: number;
  /** Pages of 4 KiB the file may grow to; 0: no limit but the disk's. */
  readonly maxPages: number;
  readonly clock: Clock;
}

/**
 * The document store in one libsql file. The driver's statements run on the thread that calls them (its promise API
 * as well), so the store lives in two threads of its own: one writes, one reads, and neither a bulk insert nor an
 * fsync holds up the event loop or a reader. A write is answered after its commit (WAL, synchronous full).
 */
export async function openLibsqlDocumentStore(options: LibsqlOptions): Promise<DocumentStore> {
  const connection = { path: options.path, busyTimeoutMs: options.busyTimeoutMs, maxPages: options.maxPages };
  const startPool = (role: StoreThreadData["role"]): WorkerPool<Call, unknown> =>
    createWorkerPool({
      name: `document store's ${role}`,
      entry: new URL("./libsql/store_thread.ts", import.meta.url),
      data: { connection, role } satisfies StoreThreadData,
      maxThreads: 1,
      maxQueue: options.maxQueue,
      whenLate: "finish",
      clock: options.clock,
    });
  const writer = startPool("writer");
  const reader = startPool("reader");
  try {
    // Both threads boot side by side; the reader touches the file with its first call, after the migration.
    await Promise.all([writer.warm(), reader.warm()]);
    await reader.run(
      { name: "probe", parameters: [], nowMs: options.clock.wallMs() },
      { timeoutMs: options.callTimeoutMs, signal: new AbortController().signal },
    );
  } catch (thrown) {
    await Promise.all([writer.close(), reader.close()]);
    throw thrown;
  }
  return createStore(options, writer, reader);
}

function createStore(options: LibsqlOptions, writer: WorkerPool<Call, unknown>, reader: WorkerPool<Call, unknown>): DocumentStore {
  const call = <Name extends Call["name"]>(name: Name, parameters: Arguments<Name>, signal: AbortSignal): Promise<Result<Name>> => {
    const pool = OPERATIONS[name].write ? writer : reader;
    const task: Call = { name, parameters, nowMs: options.clock.wallMs() };
    return pool.run(task, { timeoutMs: options.callTimeoutMs, signal }) as Promise<Result<Name>>;
  };
  return {
    createCollection: (name, settings, signal) => call("createCollection", [name, settings], signal),
    updateCollection: (name, settings, signal) => call("updateCollection", [name, settings], signal),
    getCollection: (name, signal) => call("getCollection", [name], signal),
    listCollections: (page, signal) => call("listCollections", [page], signal),
    beginDeleteCollection: (name, signal) => call("beginDeleteCollection", [name], signal),
    deletingCollections: (limit, signal) => call("deletingCollections", [limit], signal),
    deleteCollection: (name, signal) => call("deleteCollection", [name], signal),
    putAlias: (alias, signal) => call("putAlias", [alias], signal),
    deleteAlias: (alias, signal) => call("deleteAlias", [alias], signal),
    listAliases: (signal) => call("listAliases", [], signal),
    acceptDocuments: (collection, jobId, documents, inferred, signal, replaceable = null) =>
      call("acceptDocuments", [collection, jobId, documents, inferred, replaceable], signal),
    getJob: (jobId, signal) => call("getJob", [jobId], signal),
    openJobs: (signal) => call("openJobs", [], signal),
    startJob: (jobId, signal) => call("startJob", [jobId], signal),
    cancelJob: (jobId, signal) => call("cancelJob", [jobId], signal),
    finishJob: (jobId, status, reason, signal) => call("finishJob", [jobId, status, reason], signal),
    pruneJobs: (beforeMs, keep, limit, signal) => call("pruneJobs", [beforeMs, keep, limit], signal),
    pendingDocuments: (jobId, limit, maxBytes, signal) => call("pendingDocuments", [jobId, limit, maxBytes], signal),
    putChunks: (collection, version, documents, signal) =>
      call("putChunks", [collection, version, documents.map(toChunkedDocument)], signal),
    markIndexed: (jobId, collection, documents, signal) =>
      call("markIndexed", [jobId, collection, documents.map(toIndexedDocument)], signal),
    beginReindex: (collection, jobId, build, plan, isRepair, signal) =>
      call("beginReindex", [collection, jobId, build, plan, isRepair], signal),
    reindexPlan: (jobId, signal) => call("reindexPlan", [jobId], signal),
    documentsToParse: (collection, page, signal) => call("documentsToParse", [collection, page], signal),
    chunkedDocuments: (collection, version, page, signal) => call("chunkedDocuments", [collection, version, page], signal),
    advanceReindex: (jobId, progress, signal) => call("advanceReindex", [jobId, progress], signal),
    completeReindex: (jobId, outcome, keepUntilMs, signal) => call("completeReindex", [jobId, outcome, keepUntilMs], signal),
    holdReindex: (jobId, outcome, keepUntilMs, signal) => call("holdReindex", [jobId, outcome, keepUntilMs], signal),
    switchVersion: (collection, version, keepUntilMs, signal) => call("switchVersion", [collection, version, keepUntilMs], signal),
    retireVersion: (collection, version, signal) => call("retireVersion", [collection, version], signal),
    dropVersion: (collection, version, signal) => call("dropVersion", [collection, version], signal),
    getDocument: (collection, id, signal) => call("getDocument", [collection, id], signal),
    listDocuments: (collection, page, signal) => call("listDocuments", [collection, page], signal),
    matchDocuments: (collection, filter, page, signal) => call("matchDocuments", [collection, filter, page], signal),
    expiredDocuments: (collection, beforeMs, limit, signal) => call("expiredDocuments", [collection, beforeMs, limit], signal),
    markDeleting: (collection, ids, signal, visible = null) => call("markDeleting", [collection, ids, visible], signal),
    deletingDocuments: (limit, signal) => call("deletingDocuments", [limit], signal),
    removeDocuments: (collection, ids, signal) => call("removeDocuments", [collection, ids], signal),
    getParents: (collection, version, ids, signal) => call("getParents", [collection, version, ids], signal),
    noteUse: (uses, signal) => call("noteUse", [uses], signal),
    recentlyUsed: (limit, signal) => call("recentlyUsed", [limit], signal),
    claims: soleClaims(),
    probe: (signal) => call("probe", [], signal),
    close: async () => {
      await reader.close();
      await writer.close();
    },
  };
}
