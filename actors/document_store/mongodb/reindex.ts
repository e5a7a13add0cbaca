import type { Filter } from "mongodb";
import type { BuildSettings } from "../collection_record.ts";
import type { ChunkedDocument, DocumentToParse } from "../document_record.ts";
import type { Page, SizedPage } from "../document_store.ts";
import type { IndexVersion, ReindexPlan, ReindexProgress } from "../index_version.ts";
import type { JobRecord } from "../job_record.ts";
import { countWithin, isBeingReindexed, retired, toChunk, versionStays } from "../rules.ts";
import { readBlobs, toText } from "./bodies.ts";
import { type Database, versionsOf } from "./database.ts";
import { toSourceDocument } from "./ingest.ts";
import { addFailures, changeJob, newJob, toJobRecord } from "./jobs.ts";
import type { BlobReference, ChunksDocument, DocumentDocument } from "./schema.ts";

const IS_INDEXED: Filter<DocumentDocument> = { isDeleting: false, state: { $in: ["indexed", "skipped"] } };

export function beginReindex(
  database: Database,
  nowMs: number,
  name: string,
  jobId: string,
  build: BuildSettings,
  plan: ReindexPlan | null,
  isRepair: boolean,
): Promise<JobRecord> {
  return database.write(name, async (unit, collection) => {
    const versions = versionsOf(collection);
    if (versions.some((version) => version.kind === "building")) throw isBeingReindexed(name);
    const total = await database.stores.documents.countDocuments({ $and: [{ c: collection.c }, IS_INDEXED] });
    // A number is never used again: what is kept under it, in memory or on disk, would be taken for the other one's.
    const version = Math.max(collection.version, collection.newestVersion ?? 0, ...versions.map((known) => known.version)) + 1;
    const begun: IndexVersion = { kind: "building", version, build, jobId, through: null, isRepair };
    // Judgements may be large, and the job is written with every page: they lie beside it.
    const kept = plan === null ? null : await unit.putBlob(collection.c, Buffer.from(JSON.stringify(plan), "utf8"));
    const job = { ...newJob(nowMs, collection, { id: jobId, kind: "reindex", total }), plan: kept };
    const others = versions.map((known) => (known.kind === "standby" ? retired(known, nowMs) : known));
    unit.put("jobs", job);
    unit.set("collections", name, { versions: JSON.stringify([...others, begun]), jobs: job.number, newestVersion: version });
    return toJobRecord(job);
  });
}

export async function documentsToParse(database: Database, name: string, page: SizedPage): Promise<Page<DocumentToParse>> {
  const { c } = await database.collection(name);
  return readPage(
    database,
    c,
    page,
    (document) => document.body,
    (document, bytes) => ({ ...toSourceDocument(document, bytes), updatedAtMs: document.updatedAtMs }),
  );
}

export async function chunkedDocuments(database: Database, name: string, version: number, page: SizedPage): Promise<Page<ChunkedDocument>> {
  const { c } = await database.collection(name);
  // The vector lies before the source, so that the body is read also where a text of its own is stored.
  const read = await readPage(
    database,
    c,
    page,
    (document) => document.body,
    (document, bytes) => ({ document, bytes }),
  );
  const [texts, cut] = await Promise.all([
    readBlobs(
      database,
      read.items.flatMap(({ document }) => document.text ?? []),
    ),
    database.getMany(
      database.stores.chunks,
      read.items.map(({ document }) => `${c}/${version}/${document.id}`),
    ),
  ]);
  const parents = await database.getMany(
    database.stores.parents,
    [...cut.values()].flatMap((chunks) => chunks.parents.map((id) => `${c}/${version}/${id}`)),
  );
  const items = read.items.map(({ document, bytes }): ChunkedDocument => {
    const { source, ...fields } = toSourceDocument(document, bytes);
    const own = document.text === null ? undefined : texts.get(document.text.id);
    const text = own === undefined ? (source.kind === "text" ? source.text : "") : toText(own);
    const chunks: ChunksDocument | undefined = cut.get(`${c}/${version}/${document.id}`);
    const parsed = {
      id: fields.id,
      contentHash: fields.contentHash,
      title: fields.title,
      text,
      chunks: (chunks?.chunks ?? []).map((chunk) => toChunk(fields, text, chunk)),
      parents: (chunks?.parents ?? []).flatMap((id) => {
        const parent = parents.get(`${c}/${version}/${id}`);
        return parent === undefined ? [] : [{ id, text: parent.text }];
      }),
      failure: null,
    };
    return { ...fields, updatedAtMs: document.updatedAtMs, parsed };
  });
  return { items, next: read.next };
}

/** A page of indexed documents with one blob of each; one that was replaced while it was read is left to its own job. */
async function readPage<Item>(
  database: Database,
  c: string,
  page: SizedPage,
  blobOf: (document: DocumentDocument) => BlobReference,
  toItem: (document: DocumentDocument, bytes: Uint8Array) => Item,
): Promise<Page<Item>> {
  for (let after = page.after; ; ) {
    const found = await database.stores.documents
      .find({ $and: [{ c, id: { $gt: after ?? "" } }, IS_INDEXED] })
      .sort({ id: 1 })
      .limit(page.limit + 1)
      .toArray();
    const sizes = found.slice(0, page.limit).map((document) => (document.text ?? document.body).bytes);
    const documents = found.slice(0, countWithin(sizes, page.maxBytes));
    const last = documents.at(-1);
    const blobs = await readBlobs(database, documents.map(blobOf));
    const items = documents.flatMap((document) => {
      const bytes = blobs.get(blobOf(document).id);
      return bytes === undefined ? [] : [toItem(document, bytes)];
    });
    const next = documents.length === found.length || last === undefined ? null : last.id;
    // A page never is empty while another follows.
    if (items.length > 0 || next === null) return { items, next };
    after = next;
  }
}

export function advanceReindex(database: Database, jobId: string, progress: ReindexProgress): Promise<void> {
  return changeJob(database, jobId, async (unit, job, collection) => {
    const { through, indexed, skipped, failed, chunks } = progress;
    const versions = versionsOf(collection);
    const building = versions.find((version) => version.kind === "building" && version.jobId === jobId);
    if (building?.kind !== "building" || (building.through !== null && compareIds(building.through, through) >= 0)) return;
    const before = job.counts;
    const counts = {
      ...before,
      indexed: before.indexed + indexed,
      skipped: before.skipped + skipped,
      failed: before.failed + failed,
      chunks: before.chunks + chunks,
    };
    const total = Math.max(before.total, counts.indexed + counts.skipped + counts.failed);
    unit.put("jobs", { ...job, counts: { ...counts, total }, failures: addFailures(job, progress.failures) });
    const moved = versions.map((version) => (version === building ? { ...building, through } : version));
    unit.set("collections", collection._id, { versions: JSON.stringify(moved) });
  });
}

/** By code points, which is the order of their UTF-8 bytes. */
function compareIds(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left, "utf8"), Buffer.from(right, "utf8"));
}

export async function reindexPlan(database: Database, jobId: string): Promise<ReindexPlan | null> {
  const job = await database.stores.jobs.findOne({ _id: jobId });
  if (job?.plan == null) return null;
  const bytes = (await readBlobs(database, [job.plan])).get(job.plan.id);
  return bytes === undefined ? null : (JSON.parse(toText(bytes)) as ReindexPlan);
}

export function dropVersion(database: Database, name: string, version: number): Promise<void> {
  return database.write(name, async (unit, collection) => {
    const { stores } = database;
    const { c } = collection;
    const versions = versionsOf(collection);
    if (version === collection.version) throw versionStays(name, version, "it is the active one");
    if (versions.some((known) => known.kind === "building" && known.version === version)) {
      throw versionStays(name, version, "it is being built");
    }
    if (versions.some((known) => known.kind === "standby" && known.version === version)) throw versionStays(name, version, "it is kept up");
    const pin = await stores.aliases.findOne({ c, version });
    if (pin !== null) throw versionStays(name, version, `alias "${pin._id}" pins it`);
    await stores.chunks.deleteMany({ c, version });
    await unit.keepLease();
    await stores.parents.deleteMany({ c, version });
    const left = versions.filter((known) => known.version !== version);
    if (left.length < versions.length) unit.set("collections", name, { versions: JSON.stringify(left) });
  });
}
