import type { Bulkhead } from "../../supervisor/bulkhead.ts";
import type { Service } from "../../supervisor/service.ts";
import type { DocumentStore } from "./document_store.ts";

/**
 * The port through the supervised actor that owns the store: refused at once while that one is suspended.
 * @param bulkhead stands before what callers do by the thousand; jobs take turns of their own. Null: nothing does
 */
export function superviseDocumentStore(
  service: Service<DocumentStore>,
  timeoutMs: number,
  bulkhead: Bulkhead | null = null,
): DocumentStore {
  const call = <Result>(signal: AbortSignal, work: (store: DocumentStore, signal: AbortSignal) => Promise<Result>): Promise<Result> =>
    service.call(work, { timeoutMs, signal });
  const shared = <Result>(
    collection: string,
    signal: AbortSignal,
    work: (store: DocumentStore, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> =>
    bulkhead === null
      ? call(signal, work)
      : bulkhead.run(collection, signal, (hold) => call(signal, (store, inner) => hold(work(store, inner))));
  return {
    createCollection: (name, settings, signal) => call(signal, (store, inner) => store.createCollection(name, settings, inner)),
    updateCollection: (name, settings, signal) => call(signal, (store, inner) => store.updateCollection(name, settings, inner)),
    getCollection: (name, signal) => call(signal, (store, inner) => store.getCollection(name, inner)),
    listCollections: (page, signal) => call(signal, (store, inner) => store.listCollections(page, inner)),
    beginDeleteCollection: (name, signal) => call(signal, (store, inner) => store.beginDeleteCollection(name, inner)),
    deletingCollections: (limit, signal) => call(signal, (store, inner) => store.deletingCollections(limit, inner)),
    deleteCollection: (name, signal) => call(signal, (store, inner) => store.deleteCollection(name, inner)),
    putAlias: (alias, signal) => call(signal, (store, inner) => store.putAlias(alias, inner)),
    deleteAlias: (alias, signal) => call(signal, (store, inner) => store.deleteAlias(alias, inner)),
    listAliases: (signal) => call(signal, (store, inner) => store.listAliases(inner)),
    acceptDocuments: (collection, jobId, documents, inferred, signal, replaceable) =>
      shared(collection, signal, (store, inner) => store.acceptDocuments(collection, jobId, documents, inferred, inner, replaceable)),
    getJob: (jobId, signal) => call(signal, (store, inner) => store.getJob(jobId, inner)),
    openJobs: (signal) => call(signal, (store, inner) => store.openJobs(inner)),
    startJob: (jobId, signal) => call(signal, (store, inner) => store.startJob(jobId, inner)),
    cancelJob: (jobId, signal) => call(signal, (store, inner) => store.cancelJob(jobId, inner)),
    finishJob: (jobId, status, reason, signal) => call(signal, (store, inner) => store.finishJob(jobId, status, reason, inner)),
    pruneJobs: (beforeMs, keep, limit, signal) => call(signal, (store, inner) => store.pruneJobs(beforeMs, keep, limit, inner)),
    pendingDocuments: (jobId, limit, maxBytes, signal) =>
      call(signal, (store, inner) => store.pendingDocuments(jobId, limit, maxBytes, inner)),
    putChunks: (collection, version, documents, signal) =>
      call(signal, (store, inner) => store.putChunks(collection, version, documents, inner)),
    markIndexed: (jobId, collection, documents, signal) =>
      call(signal, (store, inner) => store.markIndexed(jobId, collection, documents, inner)),
    beginReindex: (collection, jobId, build, plan, isRepair, signal) =>
      call(signal, (store, inner) => store.beginReindex(collection, jobId, build, plan, isRepair, inner)),
    reindexPlan: (jobId, signal) => call(signal, (store, inner) => store.reindexPlan(jobId, inner)),
    documentsToParse: (collection, page, signal) => call(signal, (store, inner) => store.documentsToParse(collection, page, inner)),
    chunkedDocuments: (collection, version, page, signal) =>
      call(signal, (store, inner) => store.chunkedDocuments(collection, version, page, inner)),
    advanceReindex: (jobId, progress, signal) => call(signal, (store, inner) => store.advanceReindex(jobId, progress, inner)),
    completeReindex: (jobId, outcome, keepUntilMs, signal) =>
      call(signal, (store, inner) => store.completeReindex(jobId, outcome, keepUntilMs, inner)),
    holdReindex: (jobId, outcome, keepUntilMs, signal) =>
      call(signal, (store, inner) => store.holdReindex(jobId, outcome, keepUntilMs, inner)),
    switchVersion: (collection, version, keepUntilMs, signal) =>
      call(signal, (store, inner) => store.switchVersion(collection, version, keepUntilMs, inner)),
    retireVersion: (collection, version, signal) => call(signal, (store, inner) => store.retireVersion(collection, version, inner)),
    dropVersion: (collection, version, signal) => call(signal, (store, inner) => store.dropVersion(collection, version, inner)),
    getDocument: (collection, id, signal) => shared(collection, signal, (store, inner) => store.getDocument(collection, id, inner)),
    listDocuments: (collection, page, signal) => shared(collection, signal, (store, inner) => store.listDocuments(collection, page, inner)),
    matchDocuments: (collection, filter, page, signal) =>
      shared(collection, signal, (store, inner) => store.matchDocuments(collection, filter, page, inner)),
    expiredDocuments: (collection, beforeMs, limit, signal) =>
      call(signal, (store, inner) => store.expiredDocuments(collection, beforeMs, limit, inner)),
    markDeleting: (collection, ids, signal, visible) => call(signal, (store, inner) => store.markDeleting(collection, ids, inner, visible)),
    deletingDocuments: (limit, signal) => call(signal, (store, inner) => store.deletingDocuments(limit, inner)),
    removeDocuments: (collection, ids, signal) => call(signal, (store, inner) => store.removeDocuments(collection, ids, inner)),
    getParents: (collection, version, ids, signal) =>
      shared(collection, signal, (store, inner) => store.getParents(collection, version, ids, inner)),
    noteUse: (uses, signal) => call(signal, (store, inner) => store.noteUse(uses, inner)),
    recentlyUsed: (limit, signal) => call(signal, (store, inner) => store.recentlyUsed(limit, inner)),
    claims: {
      beginSession: (session, signal) => call(signal, (store, inner) => store.claims.beginSession(session, inner)),
      beat: (session, signal) => call(signal, (store, inner) => store.claims.beat(session, inner)),
      endSession: (session, signal) => call(signal, (store, inner) => store.claims.endSession(session, inner)),
      claim: (session, name, signal) => call(signal, (store, inner) => store.claims.claim(session, name, inner)),
      release: (session, name, signal) => call(signal, (store, inner) => store.claims.release(session, name, inner)),
      claimed: (signal) => call(signal, (store, inner) => store.claims.claimed(inner)),
    },
    probe: (signal) => call(signal, (store, inner) => store.probe(inner)),
    // The actor that owns the store closes it.
    close: async () => {},
  };
}
