import type { AttributeType, Filter, VisibleFilter } from "../vector_store/filter.ts";
import type { AliasRecord, BuildSettings, CollectionRecord, CollectionSettings } from "./collection_record.ts";
import type { ChunkedDocument, DocumentRecord, DocumentToParse, ParsedDocument, SourceDocument, StoredParent } from "./document_record.ts";
import type { ReindexOutcome, ReindexPlan, ReindexProgress } from "./index_version.ts";
import type { JobRecord } from "./job_record.ts";
import type { WorkClaims } from "./work_claims.ts";

/** At most `limit` documents after `after`, of those that are visible; absent: all are. */
export interface DocumentPage {
  readonly after: string | null;
  readonly limit: number;
  readonly visible?: VisibleFilter;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Give it as `after` for the next page; null: this was the last. */
  readonly next: string | null;
}

export interface SizedPage {
  readonly after: string | null;
  readonly limit: number;
  readonly maxBytes: number;
}

/**
 * The source of truth. Whatever a method has acknowledged is on disk. Every method rejects with a `KennelError`:
 * `unavailable`, `storage_full`, `not_found`, `conflict` (says which field), `forbidden`, `cancelled`.
 */
export interface DocumentStore {
  createCollection(name: string, settings: CollectionSettings, signal: AbortSignal): Promise<CollectionRecord>;
  updateCollection(name: string, settings: CollectionSettings, signal: AbortSignal): Promise<CollectionRecord>;
  getCollection(name: string, signal: AbortSignal): Promise<CollectionRecord | null>;
  listCollections(page: { readonly after: string | null; readonly limit: number }, signal: AbortSignal): Promise<Page<CollectionRecord>>;
  /**
   * The first half of a removal: from now on no other method finds the collection, and its name stays taken until
   * `deleteCollection`, so that a crash between the stores is finished at the next start. Null: there was none.
   */
  beginDeleteCollection(name: string, signal: AbortSignal): Promise<CollectionRecord | null>;
  /** Collections whose removal has begun, at most `limit`. */
  deletingCollections(limit: number, signal: AbortSignal): Promise<readonly CollectionRecord[]>;
  /** Removes the collection with its documents, jobs and aliases, begun or not. False: there was none. */
  deleteCollection(name: string, signal: AbortSignal): Promise<boolean>;

  putAlias(alias: AliasRecord, signal: AbortSignal): Promise<void>;
  deleteAlias(alias: string, signal: AbortSignal): Promise<boolean>;
  listAliases(signal: AbortSignal): Promise<readonly AliasRecord[]>;

  /**
   * One transaction: learns new attributes, stores the documents that changed as `pending`, makes the job.
   * A document with the id and hash of a stored one is counted as unchanged and not stored again, unless that one
   * failed or still waits: then this job takes it over. The job that loses a document to a later one, or to a removal,
   * counts it as skipped.
   * Rejects with `conflict`, naming the key, when an attribute has another type than the collection's.
   * @param replaceable of documents that are there only these may be replaced: another id rejects with `forbidden`, as its
   *   place in the call, and nothing is stored; null or absent: all may
   */
  acceptDocuments(
    collection: string,
    jobId: string,
    documents: readonly SourceDocument[],
    inferred: Readonly<Record<string, AttributeType>>,
    signal: AbortSignal,
    replaceable?: VisibleFilter | null,
  ): Promise<JobRecord>;
  getJob(jobId: string, signal: AbortSignal): Promise<JobRecord | null>;
  /** Jobs that are `queued` or `running`, oldest first. */
  openJobs(signal: AbortSignal): Promise<readonly JobRecord[]>;
  startJob(jobId: string, signal: AbortSignal): Promise<void>;
  /** Only an open job can be cancelled; what it has indexed stays, what it has not is marked failed. False: it was not open. */
  cancelJob(jobId: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Idempotent; what the job has left undone is marked failed.
   * @param reason why it was given up; it stands with each document that it has left and, for the first 100 of them, in `failures`
   */
  finishJob(jobId: string, status: "completed" | "failed", reason: string | null, signal: AbortSignal): Promise<JobRecord>;
  /** The next pending documents of a job, at most `limit` and about `maxBytes`; empty: all are done. */
  pendingDocuments(jobId: string, limit: number, maxBytes: number, signal: AbortSignal): Promise<readonly SourceDocument[]>;
  /** One transaction: stores chunks and parents, before the rows go to the vector store. The documents stay `pending`. */
  putChunks(collection: string, version: number, documents: readonly ParsedDocument[], signal: AbortSignal): Promise<void>;
  /** One transaction, after the vector store has the rows: the documents are done, the job's counts and the index version move. Returns the new index version. */
  markIndexed(jobId: string, collection: string, documents: readonly ParsedDocument[], signal: AbortSignal): Promise<number>;

  /**
   * One transaction: begins the next build of the collection's index and makes the job that carries it out. Rejects with
   * `conflict` while another is building. A standby build is retired: writes go to two builds at most.
   */
  beginReindex(
    collection: string,
    jobId: string,
    build: BuildSettings,
    plan: ReindexPlan | null,
    isRepair: boolean,
    signal: AbortSignal,
  ): Promise<JobRecord>;
  /** What `beginReindex` was given; null also once the build is complete. */
  reindexPlan(jobId: string, signal: AbortSignal): Promise<ReindexPlan | null>;
  /**
   * Documents that are indexed, ordered by id in code points, from after `after`, at most `limit` and about `maxBytes` of
   * sources, at least one. Those that wait, have failed or are leaving are left out. Writes may go on between pages: what
   * is read is the newest of each document.
   */
  documentsToParse(collection: string, page: SizedPage, signal: AbortSignal): Promise<Page<DocumentToParse>>;
  /** The same documents with the chunks and parents that `putChunks` has stored for this build; `maxBytes` counts texts. */
  chunkedDocuments(collection: string, version: number, page: SizedPage, signal: AbortSignal): Promise<Page<ChunkedDocument>>;
  /** Moves `through` and the job's counts; a page that was counted before is not counted again. */
  advanceReindex(jobId: string, progress: ReindexProgress, signal: AbortSignal): Promise<void>;
  /**
   * One transaction, when the build has every document: it becomes the active one with its settings, the one before is
   * kept as standby until `keepUntilMs` (null: until told) or, with 0, retired, documents and the collection count the new chunks (one that had some and has none now has failed), the index
   * version grows by one and the job is completed. Idempotent. A job that ends otherwise (`cancelJob`, `finishJob`)
   * retires its build.
   */
  completeReindex(jobId: string, outcome: ReindexOutcome, keepUntilMs: number | null, signal: AbortSignal): Promise<CollectionRecord>;
  /** One transaction: the complete build becomes a standby instead, and the job is completed. Idempotent. */
  holdReindex(jobId: string, outcome: ReindexOutcome, keepUntilMs: number | null, signal: AbortSignal): Promise<CollectionRecord>;
  /**
   * One transaction: the standby build becomes the active one as by `completeReindex`, and the active one the standby.
   * Nothing changes where it is the active one. Rejects with `conflict` for any other version.
   */
  switchVersion(collection: string, version: number, keepUntilMs: number | null, signal: AbortSignal): Promise<CollectionRecord>;
  /** A standby build is kept up no longer; idempotent. */
  retireVersion(collection: string, version: number, signal: AbortSignal): Promise<void>;
  /** Forgets a retired build with its chunks and parents; idempotent. Rejects with `conflict` while an alias pins it. */
  dropVersion(collection: string, version: number, signal: AbortSignal): Promise<void>;

  getDocument(collection: string, id: string, signal: AbortSignal): Promise<DocumentRecord | null>;
  /** Ordered by id; without `text`. */
  listDocuments(collection: string, page: DocumentPage, signal: AbortSignal): Promise<Page<Omit<DocumentRecord, "text">>>;
  /** Ids of documents whose attributes match, ordered, at most `limit` after `after`. */
  matchDocuments(
    collection: string,
    filter: Filter,
    page: { readonly after: string | null; readonly limit: number },
    signal: AbortSignal,
  ): Promise<Page<string>>;
  /** Ids of documents last changed before `beforeMs`. */
  expiredDocuments(collection: string, beforeMs: number, limit: number, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Marks documents as leaving, so that a crash between the stores is finished at the next start.
   * @param visible others are left alone, as if they did not exist; null or absent: all are taken
   */
  markDeleting(collection: string, ids: readonly string[], signal: AbortSignal, visible?: VisibleFilter | null): Promise<readonly string[]>;
  /** Documents still marked from before a crash. */
  deletingDocuments(limit: number, signal: AbortSignal): Promise<readonly { readonly collection: string; readonly id: string }[]>;
  /** One transaction, after the vector store has let go of them; those no longer marked stay. Returns the new index version. */
  removeDocuments(collection: string, ids: readonly string[], signal: AbortSignal): Promise<number>;
  /** Parent passages by id, in any order. */
  getParents(collection: string, version: number, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredParent[]>;

  /** Notes when collections were last queried, for warming after a restart. */
  noteUse(
    uses: readonly { readonly collection: string; readonly atMs: number; readonly count: number }[],
    signal: AbortSignal,
  ): Promise<void>;
  /** The most recently used collections, newest first. */
  recentlyUsed(limit: number, signal: AbortSignal): Promise<readonly string[]>;

  /** Removes finished jobs that ended before `beforeMs` and those beyond the newest `keep`; at most `limit` in one call. Returns how many. */
  pruneJobs(beforeMs: number, keep: number, limit: number, signal: AbortSignal): Promise<number>;

  /** Which process works on what. */
  readonly claims: WorkClaims;

  probe(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
