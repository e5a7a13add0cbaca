import type { AttributeType, VisibleFilter } from "../../vector_store/filter.ts";
import type { SourceDocument } from "../document_record.ts";
import type { DocumentStore } from "../document_store.ts";
import type { IndexedDocument } from "../rules.ts";
import { acceptDocuments } from "./accepting.ts";
import * as collections from "./collections.ts";
import type { Connection } from "./connection.ts";
import * as documents from "./documents.ts";
import * as jobs from "./jobs.ts";
import * as reindex from "./reindex.ts";
import * as switching from "./switching.ts";

type Operation = Exclude<keyof DocumentStore, "claims" | "close">;
type WithoutSignal<Parameters extends readonly unknown[]> = Parameters extends readonly [...infer Rest, AbortSignal] ? Rest : never;

/** Where less travels than the port is given, or its signal is not the last. */
interface Slimmer {
  readonly acceptDocuments: readonly [
    collection: string,
    jobId: string,
    documents: readonly SourceDocument[],
    inferred: Readonly<Record<string, AttributeType>>,
    replaceable: VisibleFilter | null,
  ];
  readonly markDeleting: readonly [collection: string, ids: readonly string[], visible: VisibleFilter | null];
  readonly putChunks: readonly [collection: string, version: number, documents: readonly documents.ChunkedDocument[]];
  readonly markIndexed: readonly [jobId: string, collection: string, documents: readonly IndexedDocument[]];
}

export type Arguments<Name extends Operation> = Name extends keyof Slimmer ? Slimmer[Name] : WithoutSignal<Parameters<DocumentStore[Name]>>;
export type Result<Name extends Operation> = Awaited<ReturnType<DocumentStore[Name]>>;

/** What travels to the thread: the name of a port's method and its arguments. */
export interface Call<Name extends Operation = Operation> {
  readonly name: Name;
  readonly parameters: Arguments<Name>;
  /** Wall time of the call. */
  readonly nowMs: number;
}

/** Each method of the port on one connection. `write` decides which of the two threads runs it. */
type OperationTable = {
  readonly [Name in Operation]: {
    readonly write: boolean;
    run(connection: Connection, nowMs: number, ...parameters: Arguments<Name>): Result<Name>;
  };
};

// biome-ignore format: a table reads best as one
export const OPERATIONS: OperationTable = {
  createCollection:      { write: true, run: collections.createCollection },
  updateCollection:      { write: true, run: collections.updateCollection },
  getCollection:         { write: false, run: (connection, _nowMs, name) => collections.getCollection(connection, name) },
  listCollections:       { write: false, run: (connection, _nowMs, page) => collections.listCollections(connection, page) },
  beginDeleteCollection: { write: true, run: (connection, _nowMs, name) => collections.beginDeleteCollection(connection, name) },
  deletingCollections:   { write: false, run: (connection, _nowMs, limit) => collections.deletingCollections(connection, limit) },
  deleteCollection:      { write: true, run: (connection, _nowMs, name) => collections.deleteCollection(connection, name) },
  putAlias:              { write: true, run: (connection, _nowMs, alias) => collections.putAlias(connection, alias) },
  deleteAlias:           { write: true, run: (connection, _nowMs, alias) => collections.deleteAlias(connection, alias) },
  listAliases:           { write: false, run: (connection) => collections.listAliases(connection) },
  noteUse:               { write: true, run: (connection, _nowMs, uses) => collections.noteUse(connection, uses) },
  recentlyUsed:          { write: false, run: (connection, _nowMs, limit) => collections.recentlyUsed(connection, limit) },

  acceptDocuments:       { write: true, run: acceptDocuments },
  getJob:                { write: false, run: (connection, _nowMs, id) => jobs.getJob(connection, id) },
  openJobs:              { write: false, run: (connection) => jobs.openJobs(connection) },
  startJob:              { write: true, run: jobs.startJob },
  cancelJob:             { write: true, run: jobs.cancelJob },
  finishJob:             { write: true, run: jobs.finishJob },
  pruneJobs:             { write: true, run: (connection, _nowMs, beforeMs, keep, limit) => jobs.pruneJobs(connection, beforeMs, keep, limit) },
  pendingDocuments:      { write: false, run: (connection, _nowMs, id, limit, maxBytes) => jobs.pendingDocuments(connection, id, limit, maxBytes) },
  putChunks:             { write: true, run: (connection, _nowMs, name, version, parsed) => documents.putChunks(connection, name, version, parsed) },
  markIndexed:           { write: true, run: jobs.markIndexed },

  beginReindex:          { write: true, run: reindex.beginReindex },
  documentsToParse:      { write: false, run: (connection, _nowMs, name, page) => reindex.documentsToParse(connection, name, page) },
  chunkedDocuments:      { write: false, run: (connection, _nowMs, name, version, page) => reindex.chunkedDocuments(connection, name, version, page) },
  advanceReindex:        { write: true, run: (connection, _nowMs, id, progress) => reindex.advanceReindex(connection, id, progress) },
  reindexPlan:           { write: false, run: (connection, _nowMs, id) => reindex.reindexPlan(connection, id) },
  completeReindex:       { write: true, run: switching.completeReindex },
  holdReindex:           { write: true, run: switching.holdReindex },
  switchVersion:         { write: true, run: switching.switchVersion },
  retireVersion:         { write: true, run: switching.retireVersion },
  dropVersion:           { write: true, run: (connection, _nowMs, name, version) => reindex.dropVersion(connection, name, version) },

  getDocument:           { write: false, run: (connection, _nowMs, name, id) => documents.getDocument(connection, name, id) },
  listDocuments:         { write: false, run: (connection, _nowMs, name, page) => documents.listDocuments(connection, name, page) },
  matchDocuments:        { write: false, run: (connection, _nowMs, name, filter, page) => documents.matchDocuments(connection, name, filter, page) },
  expiredDocuments:      { write: false, run: (connection, _nowMs, name, beforeMs, limit) => documents.expiredDocuments(connection, name, beforeMs, limit) },
  markDeleting:          { write: true, run: (connection, _nowMs, name, ids, visible) => documents.markDeleting(connection, name, ids, visible) },
  deletingDocuments:     { write: false, run: (connection, _nowMs, limit) => documents.deletingDocuments(connection, limit) },
  removeDocuments:       { write: true, run: documents.removeDocuments },
  getParents:            { write: false, run: (connection, _nowMs, name, version, ids) => documents.getParents(connection, name, version, ids) },
  probe:                 { write: false, run: (connection) => void connection.get("SELECT count(*) FROM (SELECT key FROM collections LIMIT 1)", []) },
};

export function runOperation<Name extends Operation>(connection: Connection, call: Call<Name>): Result<Name> {
  return OPERATIONS[call.name].run(connection, call.nowMs, ...call.parameters);
}
