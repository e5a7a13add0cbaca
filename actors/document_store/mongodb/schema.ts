import { type Binary, type Collection, type Db, MongoServerError } from "mongodb";
import { kennelError } from "../../../runtime/errors.ts";
import type { Attributes } from "../../vector_store/filter.ts";
import type { DocumentState } from "../document_record.ts";
import type { JobRecord } from "../job_record.ts";
import type { StoredChunk } from "../rules.ts";

/**
 * What lies in the database. Every `_id` is a string made of what a hot read knows already, so that such a read is the
 * lookup of one `_id`. `c` is the key of a Kennel collection: a new one with each creation, so that nothing of a deleted
 * collection is ever taken for a part of its successor.
 */
export interface Fenced {
  readonly _id: string;
  /** Of the lease under which it was written: an older lease's late write does not replace it. */
  readonly fence: number;
}

export interface CollectionDocument extends Fenced {
  readonly c: string;
  /** JSON of `CollectionSettings`. */
  readonly settings: string;
  /** JSON of `AttributeSchema`. */
  readonly attributes: string;
  readonly version: number;
  /** JSON of `IndexVersion[]`. */
  readonly versions: string;
  readonly indexVersion: number;
  readonly documents: number;
  readonly chunks: number;
  /** The greatest number that a build of it has had; an earlier format has none. */
  readonly newestVersion?: number;
  /** Jobs that it has had: the order of those of one moment. */
  readonly jobs: number;
  readonly isDeleting: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Bytes in `parts` documents `<id>/0`, `<id>/1`, …; written once, before what refers to them, and never changed. */
export interface BlobReference {
  readonly id: string;
  readonly parts: number;
  readonly bytes: number;
}

export interface BlobDocument {
  readonly _id: string;
  readonly c: string;
  /** The operation that wrote it; blobs of one that never committed are removed. */
  readonly op: string;
  readonly data: Binary;
}

/** `_id`: `<c>/<id of the document>` */
export interface DocumentDocument extends Fenced {
  readonly c: string;
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly attributes: Attributes;
  readonly principals: readonly string[];
  readonly contentHash: string;
  readonly state: DocumentState;
  readonly failure: string | null;
  readonly chunks: number;
  readonly isDeleting: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** The job that has yet to index it, and its place among that job's documents. */
  readonly job: string | null;
  readonly place: number;
  readonly kind: "text" | "file";
  /** The text's format, or the file's media type. */
  readonly format: string;
  readonly fileName: string;
  /** `vectorBytes` of the document's own vector, then the source. */
  readonly body: BlobReference;
  readonly vectorBytes: number;
  /** What parsing made of it; null: the source itself is its text. */
  readonly text: BlobReference | null;
}

/** `_id`: `<c>/<version>/<id of the document>` */
export interface ChunksDocument extends Fenced {
  readonly c: string;
  readonly version: number;
  readonly chunks: readonly StoredChunk[];
  readonly parents: readonly string[];
}

/** `_id`: `<c>/<version>/<id of the parent>` */
export interface ParentDocument extends Fenced {
  readonly c: string;
  readonly version: number;
  readonly id: string;
  readonly text: string;
}

/** `_id`: the alias */
export interface AliasDocument extends Fenced {
  readonly c: string;
  readonly collection: string;
  readonly version: number | null;
}

/** `_id`: the job's id */
export interface JobDocument extends Fenced, Omit<JobRecord, "id" | "failures" | "outcome"> {
  readonly c: string;
  /** Order among the jobs of its collection. */
  readonly number: number;
  /** JSON, at most 100. */
  readonly failures: string;
  /** Of a reindex; an earlier format has neither. */
  readonly outcome?: JobRecord["outcome"];
  /** JSON of `ReindexPlan` while its build is made. */
  readonly plan?: BlobReference | null;
}

/** `_id`: the key of a collection */
export interface UseDocument {
  readonly _id: string;
  readonly name: string;
  readonly lastUsedMs: number;
}

/** `_id`: the name of a collection. See lease.ts. */
export interface LeaseDocument {
  readonly _id: string;
  readonly owner: string | null;
  readonly fence: number;
  /** Grows while its owner works, so that others see that it lives. */
  readonly beat: number;
  readonly op: string | null;
  /** Journal pages of `op`, once it is to be carried out whatever happens; null: it has no effect. */
  readonly committed: number | null;
}

/** `_id`: the name of the work. See claims.ts. */
export interface ClaimDocument {
  readonly _id: string;
  /** The session that holds it. */
  readonly owner: string;
}

/** `_id`: the session. See claims.ts. */
export interface SessionDocument {
  readonly _id: string;
  /** Grows while it lives. */
  readonly beat: number;
}

/** `_id`: `<op>/<page>`. See unit_of_work.ts. */
export interface JournalDocument {
  readonly _id: string;
  readonly op: string;
  readonly writes: readonly JournalWrite[];
}

export type FencedStore = "collections" | "documents" | "chunks" | "parents" | "aliases" | "jobs";
/** A write that leaves the same behind however often it is done. */
export type JournalWrite =
  | { readonly kind: "put"; readonly store: FencedStore; readonly document: Fenced }
  | { readonly kind: "set"; readonly store: FencedStore; readonly id: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "delete"; readonly store: FencedStore | "blobs"; readonly id: string };

export interface Stores {
  readonly collections: Collection<CollectionDocument>;
  readonly documents: Collection<DocumentDocument>;
  readonly blobs: Collection<BlobDocument>;
  readonly chunks: Collection<ChunksDocument>;
  readonly parents: Collection<ParentDocument>;
  readonly aliases: Collection<AliasDocument>;
  readonly jobs: Collection<JobDocument>;
  readonly uses: Collection<UseDocument>;
  readonly leases: Collection<LeaseDocument>;
  readonly journal: Collection<JournalDocument>;
  readonly claims: Collection<ClaimDocument>;
  readonly sessions: Collection<SessionDocument>;
}

interface Index {
  readonly key: Record<string, 1 | -1>;
  readonly unique?: true;
}

const NAMESPACE_NOT_FOUND = 26;

const INDEXES: Readonly<Record<keyof Stores, readonly Index[]>> = {
  collections: [{ key: { isDeleting: 1 } }],
  documents: [
    { key: { c: 1, id: 1 }, unique: true },
    { key: { c: 1, updatedAtMs: 1 } },
    { key: { job: 1, place: 1 } },
    { key: { isDeleting: 1 } },
  ],
  blobs: [{ key: { op: 1 } }, { key: { c: 1 } }],
  chunks: [{ key: { c: 1, version: 1 } }],
  parents: [{ key: { c: 1, version: 1 } }],
  aliases: [{ key: { c: 1 } }],
  jobs: [{ key: { c: 1, number: 1 }, unique: true }, { key: { finishedAtMs: 1 } }, { key: { createdAtMs: 1, number: 1 } }],
  uses: [{ key: { lastUsedMs: -1 } }],
  leases: [],
  journal: [{ key: { op: 1 } }],
  claims: [{ key: { owner: 1 } }],
  sessions: [],
};

/** Of everything above; a change that older versions cannot read makes it grow. */
export const FORMAT_VERSION = 2;

export function storesOf(db: Db): Stores {
  return Object.fromEntries(Object.keys(INDEXES).map((name) => [name, db.collection(name)])) as unknown as Stores;
}

/** Makes what is missing of the indexes; a database of a newer format is refused untouched. @returns whether it is a new one */
export async function prepareDatabase(db: Db): Promise<boolean> {
  const formats = db.collection<{ _id: string; version: number }>("format");
  const found = await formats.findOne({ _id: "kennel" });
  if (found !== null && found.version > FORMAT_VERSION) {
    throw kennelError("conflict", {
      message: `Cannot open the document store: its format is version ${found.version}, this Kennel knows up to ${FORMAT_VERSION}; start the newer Kennel, or restore an older backup`,
    });
  }
  for (const [name, indexes] of Object.entries(INDEXES)) await addMissingIndexes(db.collection(name), indexes);
  if (found === null || found.version < FORMAT_VERSION)
    await formats.updateOne({ _id: "kennel" }, { $set: { version: FORMAT_VERSION } }, { upsert: true });
  return found === null;
}

/** Only what is missing is sent: FerretDB 1.24 drops the connection when it is asked for some that are there. */
async function addMissingIndexes(store: Collection, indexes: readonly Index[]): Promise<void> {
  if (indexes.length === 0) return;
  const known = await store.listIndexes().toArray().catch(noneYet);
  const keys = new Set(known.map((index) => JSON.stringify(index.key)));
  const missing = indexes.filter((index) => !keys.has(JSON.stringify(index.key)));
  if (missing.length > 0) await store.createIndexes(missing.map(({ key, unique = false }) => (unique ? { key, unique } : { key })));
}

/** Where there is no such collection yet, there is nothing to list. */
function noneYet(thrown: unknown): never[] {
  if (thrown instanceof MongoServerError && thrown.code === NAMESPACE_NOT_FOUND) return [];
  throw thrown;
}
