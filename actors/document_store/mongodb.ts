import { randomUUID } from "node:crypto";
import { cancellationOf } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { DocumentStore } from "./document_store.ts";
import { type ClientOptions, type ConnectedClient, connectClient } from "./mongodb/client.ts";
import * as collections from "./mongodb/collections.ts";
import { type Capabilities, Database } from "./mongodb/database.ts";
import * as documents from "./mongodb/documents.ts";
import { toStoreError } from "./mongodb/errors.ts";
import * as ingest from "./mongodb/ingest.ts";
import * as jobs from "./mongodb/jobs.ts";
import { PoolGauge } from "./mongodb/pool_gauge.ts";
import * as reindex from "./mongodb/reindex.ts";
import * as switching from "./mongodb/switching.ts";

export interface MongoOptions extends ClientOptions {
  /** Time after which a caller is no longer kept waiting; what was begun goes on to its end, each step within `socketTimeoutMs`. */
  readonly callTimeoutMs: number;
  /** A node that shows no sign of life for this long while it writes is taken for dead. */
  readonly leaseMs: number;
  /** Shows the connections of whichever client is open. */
  readonly gauge: PoolGauge;
  /** Called when the database was Kennel's for the first time. */
  readonly onCreated: () => void;
  /** Longest that opening waits for operations that others have begun on collections. */
  readonly settleMs: number;
  /** Told of a collection for which that was too short, when what was begun on it has ended: its record may have changed. */
  readonly onSettled: (collection: string) => void;
  /** Instead of what the server says of itself. */
  readonly capabilities?: Capabilities;
  readonly clock: Clock;
}

export { PoolGauge };

/** A lease is waited for so many times its time at least: one whose holder has died is taken over, however short calls may be. */
const WAITED_LEASES = 2;
/** Time for saying goodbye to the servers; one that hangs is not waited for. */
const CLOSE_LIMIT_MS = 1_000;

/**
 * The document store in a database that speaks MongoDB's wire protocol. It asks for nothing that a server without
 * transactions lacks: writes to one collection follow one another under its lease (lease.ts), and what changes together is
 * committed through a journal (unit_of_work.ts), so that an operation is done wholly or not at all, whoever crashes in it.
 */
export async function openMongoDocumentStore(options: MongoOptions): Promise<DocumentStore> {
  const connected = await connectClient(options, options.gauge);
  try {
    const { callTimeoutMs, leaseMs, clock } = options;
    const database = await Database.open({
      client: connected.client,
      name: connected.databaseName,
      capabilities: options.capabilities ?? connected.capabilities,
      onCreated: options.onCreated,
      settleMs: options.settleMs,
      onSettled: options.onSettled,
      leases: { owner: randomUUID(), leaseMs, waitMs: Math.max(callTimeoutMs, leaseMs * WAITED_LEASES), clock },
    });
    return createStore(options, connected, database);
  } catch (thrown) {
    await closeClient(connected, options.clock);
    throw toStoreError(thrown);
  }
}

function createStore(options: MongoOptions, connected: ConnectedClient, database: Database): DocumentStore {
  const { clock, callTimeoutMs } = options;
  const call = <Result>(signal: AbortSignal, work: (database: Database, nowMs: number) => Promise<Result>): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(cancellationOf(signal));
      const onAbort = () => reject(cancellationOf(signal));
      const late = () => reject(kennelError("deadline_exceeded", { message: "The document store took too long" }));
      const timer = clock.setTimer(callTimeoutMs, late);
      signal.addEventListener("abort", onAbort, { once: true });
      work(database, clock.wallMs())
        .then(resolve, (thrown) => reject(toStoreError(thrown)))
        .finally(() => {
          timer.cancel();
          signal.removeEventListener("abort", onAbort);
        });
    });
  return {
    createCollection: (name, settings, signal) => call(signal, (on, nowMs) => collections.createCollection(on, nowMs, name, settings)),
    updateCollection: (name, settings, signal) => call(signal, (on, nowMs) => collections.updateCollection(on, nowMs, name, settings)),
    getCollection: (name, signal) => call(signal, (on) => collections.getCollection(on, name)),
    listCollections: (page, signal) => call(signal, (on) => collections.listCollections(on, page)),
    beginDeleteCollection: (name, signal) => call(signal, (on) => collections.beginDeleteCollection(on, name)),
    deletingCollections: (limit, signal) => call(signal, (on) => collections.deletingCollections(on, limit)),
    deleteCollection: (name, signal) => call(signal, (on) => collections.deleteCollection(on, name)),
    putAlias: (alias, signal) => call(signal, (on) => collections.putAlias(on, alias)),
    deleteAlias: (alias, signal) => call(signal, (on) => collections.deleteAlias(on, alias)),
    listAliases: (signal) => call(signal, (on) => collections.listAliases(on)),
    acceptDocuments: (collection, jobId, sent, inferred, signal, replaceable = null) =>
      call(signal, (on, nowMs) => ingest.acceptDocuments(on, nowMs, collection, jobId, sent, inferred, replaceable)),
    getJob: (jobId, signal) => call(signal, (on) => jobs.getJob(on, jobId)),
    openJobs: (signal) => call(signal, (on) => jobs.openJobs(on)),
    startJob: (jobId, signal) => call(signal, (on, nowMs) => jobs.startJob(on, nowMs, jobId)),
    cancelJob: (jobId, signal) => call(signal, (on, nowMs) => jobs.cancelJob(on, nowMs, jobId)),
    finishJob: (jobId, status, reason, signal) => call(signal, (on, nowMs) => jobs.finishJob(on, nowMs, jobId, status, reason)),
    pruneJobs: (beforeMs, keep, limit, signal) => call(signal, (on) => jobs.pruneJobs(on, beforeMs, keep, limit)),
    pendingDocuments: (jobId, limit, maxBytes, signal) => call(signal, (on) => ingest.pendingDocuments(on, jobId, limit, maxBytes)),
    putChunks: (collection, version, parsed, signal) => call(signal, (on) => ingest.putChunks(on, collection, version, parsed)),
    markIndexed: (jobId, collection, parsed, signal) =>
      call(signal, (on, nowMs) => ingest.markIndexed(on, nowMs, jobId, collection, parsed)),
    beginReindex: (collection, jobId, build, plan, isRepair, signal) =>
      call(signal, (on, nowMs) => reindex.beginReindex(on, nowMs, collection, jobId, build, plan, isRepair)),
    reindexPlan: (jobId, signal) => call(signal, (on) => reindex.reindexPlan(on, jobId)),
    documentsToParse: (collection, page, signal) => call(signal, (on) => reindex.documentsToParse(on, collection, page)),
    chunkedDocuments: (collection, version, page, signal) => call(signal, (on) => reindex.chunkedDocuments(on, collection, version, page)),
    advanceReindex: (jobId, progress, signal) => call(signal, (on) => reindex.advanceReindex(on, jobId, progress)),
    completeReindex: (jobId, outcome, keepUntilMs, signal) =>
      call(signal, (on, nowMs) => switching.completeReindex(on, nowMs, jobId, outcome, keepUntilMs)),
    holdReindex: (jobId, outcome, keepUntilMs, signal) =>
      call(signal, (on, nowMs) => switching.holdReindex(on, nowMs, jobId, outcome, keepUntilMs)),
    switchVersion: (collection, version, keepUntilMs, signal) =>
      call(signal, (on, nowMs) => switching.switchVersion(on, nowMs, collection, version, keepUntilMs)),
    retireVersion: (collection, version, signal) => call(signal, (on, nowMs) => switching.retireVersion(on, nowMs, collection, version)),
    dropVersion: (collection, version, signal) => call(signal, (on) => reindex.dropVersion(on, collection, version)),
    getDocument: (collection, id, signal) => call(signal, (on) => documents.getDocument(on, collection, id)),
    listDocuments: (collection, page, signal) => call(signal, (on) => documents.listDocuments(on, collection, page)),
    matchDocuments: (collection, filter, page, signal) => call(signal, (on) => documents.matchDocuments(on, collection, filter, page)),
    expiredDocuments: (collection, beforeMs, limit, signal) =>
      call(signal, (on) => documents.expiredDocuments(on, collection, beforeMs, limit)),
    markDeleting: (collection, ids, signal, visible = null) => call(signal, (on) => documents.markDeleting(on, collection, ids, visible)),
    deletingDocuments: (limit, signal) => call(signal, (on) => documents.deletingDocuments(on, limit)),
    removeDocuments: (collection, ids, signal) => call(signal, (on, nowMs) => documents.removeDocuments(on, nowMs, collection, ids)),
    getParents: (collection, version, ids, signal) => call(signal, (on) => documents.getParents(on, collection, version, ids)),
    noteUse: (uses, signal) => call(signal, (on) => collections.noteUse(on, uses)),
    recentlyUsed: (limit, signal) => call(signal, (on) => collections.recentlyUsed(on, limit)),
    claims: {
      beginSession: (session, signal) => call(signal, (on) => on.claims.beginSession(session, signal)),
      beat: (session, signal) => call(signal, (on) => on.claims.beat(session, signal)),
      endSession: (session, signal) => call(signal, (on) => on.claims.endSession(session, signal)),
      claim: (session, name, signal) => call(signal, (on) => on.claims.claim(session, name, signal)),
      release: (session, name, signal) => call(signal, (on) => on.claims.release(session, name, signal)),
      claimed: (signal) => call(signal, (on) => on.claims.claimed(signal)),
    },
    // A real read; and what a failure has left half done is ended while nobody waits for it.
    probe: (signal) =>
      call(signal, async (on) => {
        await collections.getCollection(on, "");
        await on.heal();
      }),
    close: () => closeClient(connected, clock),
  };
}

async function closeClient({ client }: ConnectedClient, clock: Clock): Promise<void> {
  const closing = client.close().catch(() => undefined);
  const limit = new AbortController();
  const limited = clock.sleep(CLOSE_LIMIT_MS, limit.signal).catch(() => undefined);
  await Promise.race([closing, limited]);
  limit.abort();
}
