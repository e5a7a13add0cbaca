import type { Adoption } from "../vector_store/adoption.ts";
import type { AttributeSchema, Attributes, AttributeType, Filter, VisibleFilter } from "../vector_store/filter.ts";
import type { VectorIndex } from "../vector_store/vector_store.ts";
import type { WorkClaims } from "./work_claims.ts";

export interface Chunking {
  /** Tokens of the embedding model in one chunk, at most. */
  readonly maxTokens: number;
  /** Tokens repeated from the end of the chunk before. */
  readonly overlapTokens: number;
  /** Tokens in one parent passage, at most; 0: documents have no parents. */
  readonly parentTokens: number;
}

export type FusionSettings =
  /** (1 - alpha) x min-max(BM25) + alpha x min-max(cosine) */
  | { readonly type: "weighted"; readonly alpha: number }
  | { readonly type: "rrf"; readonly k: number; readonly weights: { readonly vector: number; readonly bm25: number } };

/** A collection's settings with every default filled in. */
export interface CollectionSettings {
  readonly language: string;
  readonly embedding: string;
  readonly chunking: Chunking;
  /** Declared types; other keys are inferred from the first document that has them. */
  readonly attributes: AttributeSchema;
  readonly fusion: FusionSettings;
  readonly pinned: boolean;
  readonly resident: "auto" | "always" | "never";
  /** Copies of the retriever in the cluster. */
  readonly replicas: number;
  /** Retriever actors on one node among which queries are balanced. */
  readonly pool: number;
  /** Documents older than this are not found and are removed; null: kept for ever. */
  readonly ttlSeconds: number | null;
  readonly allowDegraded: boolean;
  /** The collection of others that its rows lie in; absent: they are Kennel's own. */
  readonly adopt?: Adoption;
  /** Answers are kept where other nodes find them, too; missing in records that are older than it. */
  readonly shareAnswers: boolean;
  /** Of builds that are made from now on; absent: as the vector store is configured. */
  readonly vectorIndex?: VectorIndex;
  /** Documents without principals are nobody's but administrators'; absent: they are everyone's who may search the collection. */
  readonly acl?: "required";
}

/** What an index is built with: another value of one of them needs another build. */
export type BuildSettings = Pick<CollectionSettings, "language" | "embedding" | "chunking">;

/** A build of a collection's index beside the active one. */
export type IndexVersion =
  /** A reindex job makes it; every write of a document goes to it as well. */
  | {
      readonly kind: "building";
      readonly version: number;
      readonly build: BuildSettings;
      readonly jobId: string;
      /** The last document, in order of ids, that it holds of those that were there before; null: none yet. */
      readonly through: string | null;
      /** The active build is missing or lacks rows: what is found meanwhile is not all there is. */
      readonly isRepair: boolean;
    }
  /** Complete and not searched; every write of a document goes to it as well, so that a switch to it loses nothing. */
  | {
      readonly kind: "standby";
      readonly version: number;
      readonly build: BuildSettings;
      /** The job that made it, or the one whose build took its place. */
      readonly jobId: string;
      /** False: a build that is held back until someone says that it is to be switched to. */
      readonly wasActive: boolean;
      /** Wall time at which it is retired; null: when told. */
      readonly keepUntilMs: number | null;
    }
  /** Another took its place, or its job was given up; it is dropped after a grace unless an alias pins it. */
  | {
      readonly kind: "retired";
      readonly version: number;
      readonly build: BuildSettings;
      /** 0: it was never active. */
      readonly retiredAtMs: number;
    };

/** What is to become of a build once it is complete. */
export interface ReindexPlan {
  /** `auto`: it becomes the active one unless the comparison finds it worse; `manual`: it is held back; `always`: it becomes the active one. */
  readonly switch: (typeof SWITCHES)[number];
  /** How long the build that is not searched then is kept up; null: until told; 0: not at all. */
  readonly keepMs: number | null;
  /** Null: nothing is compared. */
  readonly compare: ComparisonPlan | null;
}

export const SWITCHES = ["auto", "manual", "always"] as const;

export interface ComparisonPlan {
  /** Questions with grades by document id; null: what was asked most of late. */
  readonly judged: readonly { readonly query: string; readonly grades: Readonly<Record<string, number>> }[] | null;
  /** With which judged questions are asked. */
  readonly strategy: string;
  /** By how much the mean nDCG@10 may fall, 0..1. */
  readonly margin: number;
  /** Least mean overlap of the first ten documents where nothing is judged, 0..1. */
  readonly minOverlap: number;
  /** Most questions asked of late that are asked again. */
  readonly maxQueries: number;
}

/** How two builds of a collection answered the same questions. */
export interface BuildComparison {
  readonly basis: "judged" | "recent";
  /** Questions that both builds have answered. */
  readonly queries: number;
  /** Questions that the active build could not answer. */
  readonly failed: number;
  /** Mean nDCG@10 of each and the 95 % interval of the mean difference; null: nothing is judged. */
  readonly ndcg10: {
    readonly before: number;
    readonly after: number;
    readonly difference: { readonly mean: number; readonly low: number; readonly high: number };
  } | null;
  /** Mean share of the first ten documents that both have. */
  readonly overlap10: number;
  /** Mean rank-biased overlap of the first ten, p = 0.9. */
  readonly rankBiasedOverlap: number;
  /** Mean change of the score of documents that both have among the first ten; null: there are none. */
  readonly scoreShift: number | null;
  /** Questions that had hits before and have none now. */
  readonly emptied: number;
  readonly isWorse: boolean;
}

/** What became of a complete build. */
export interface ReindexOutcome {
  readonly decision: "switched" | "held";
  readonly reason: "always" | "manual" | "not_worse" | "worse" | "nothing_to_compare";
  readonly comparison: BuildComparison | null;
}

export interface CollectionRecord {
  readonly name: string;
  readonly settings: CollectionSettings;
  /** Declared and inferred attributes together. */
  readonly attributes: AttributeSchema;
  /** The build that searching goes to. */
  readonly version: number;
  /** Builds beside the active one, by version; at most one of them is building. */
  readonly versions: readonly IndexVersion[];
  /** Grows by one with each change of what a search can find. */
  readonly indexVersion: number;
  readonly documents: number;
  readonly chunks: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface AliasRecord {
  readonly alias: string;
  readonly collection: string;
  /** Pins a build of the collection; null follows its active one. */
  readonly version: number | null;
}

/** What a document is made from, as it was sent. */
export type DocumentSource =
  | { readonly kind: "text"; readonly text: string; readonly format: "text" | "markdown" | "html" }
  | { readonly kind: "file"; readonly mediaType: string; readonly fileName: string; readonly bytes: Uint8Array };

export interface SourceDocument {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly attributes: Attributes;
  readonly principals: readonly string[];
  /** The document's own vector; null: the collection's model makes one per chunk. */
  readonly vector: Float32Array | null;
  readonly source: DocumentSource;
  /** SHA-256 over everything above, in hex: the same id with the same hash is not done twice. */
  readonly contentHash: string;
}

export interface ParentPassage {
  readonly id: string;
  readonly text: string;
}

/** With the principals that its document has now. */
export interface StoredParent extends ParentPassage {
  readonly principals: readonly string[];
}

/** One chunk as cut, before it becomes a row of a store. Offsets are UTF-16 units into the document's parsed text. */
export interface Chunk {
  readonly id: string;
  readonly ordinal: number;
  readonly parentId: string | null;
  readonly text: string;
  readonly indexText: string;
  readonly startOffset: number;
  readonly endOffset: number;
}

/** A document after parsing and chunking. `failure` says why there is nothing to index; then the rest is empty. */
export interface ParsedDocument {
  readonly id: string;
  readonly contentHash: string;
  readonly title: string;
  readonly text: string;
  readonly chunks: readonly Chunk[];
  readonly parents: readonly ParentPassage[];
  readonly failure: string | null;
}

export type DocumentState = "pending" | "indexed" | "failed" | "skipped";

export interface DocumentRecord {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly text: string;
  readonly attributes: Attributes;
  readonly principals: readonly string[];
  readonly contentHash: string;
  readonly state: DocumentState;
  readonly failure: string | null;
  readonly chunks: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export const JOB_STATUSES = ["queued", "running", "completed", "failed", "cancelled"] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export interface JobCounts {
  readonly total: number;
  readonly indexed: number;
  readonly unchanged: number;
  readonly skipped: number;
  readonly failed: number;
  readonly chunks: number;
}

export interface JobRecord {
  readonly id: string;
  readonly collection: string;
  readonly kind: "ingest" | "reindex";
  readonly status: JobStatus;
  readonly counts: JobCounts;
  /** The first 100 documents that failed and why. */
  readonly failures: readonly { readonly documentId: string; readonly message: string }[];
  /** The collection's index version that holds all of the job; null until it has completed. */
  readonly indexVersion: number | null;
  /** Of a reindex that has completed; else null. */
  readonly outcome: ReindexOutcome | null;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
}

/** Everything of a document that goes into an index besides its chunks, and when it last changed. */
export type DocumentFields = Omit<SourceDocument, "source"> & { readonly updatedAtMs: number };
/** A document as it was sent. */
export type DocumentToParse = DocumentFields & Pick<SourceDocument, "source">;
/** A document as it was cut for one build; `title` is the one that parsing has found. */
export type ChunkedDocument = DocumentFields & { readonly parsed: ParsedDocument };

/** One page of a reindex, in order of ids. */
export interface ReindexProgress {
  /** The page's last document. */
  readonly through: string;
  readonly indexed: number;
  readonly skipped: number;
  readonly failed: number;
  readonly chunks: number;
  readonly failures: JobRecord["failures"];
}

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
 * `unavailable`, `storage_full`, `not_found`, `conflict` (says which field), `cancelled`.
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
   */
  acceptDocuments(
    collection: string,
    jobId: string,
    documents: readonly SourceDocument[],
    inferred: Readonly<Record<string, AttributeType>>,
    signal: AbortSignal,
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
  /** Marks documents as leaving, so that a crash between the stores is finished at the next start. */
  markDeleting(collection: string, ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
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
