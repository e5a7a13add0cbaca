import type { BuildSettings, CollectionRecord, CollectionSettings } from "../collection_record.ts";
import type { IndexVersion, ReindexOutcome } from "../index_version.ts";
import { LOST_IN_REINDEX, notSwitchable, reindexHasEnded, retired, standbyVersions } from "../rules.ts";
import { type Database, toCollectionRecord, versionsOf } from "./database.ts";
import { changeJob } from "./jobs.ts";
import type { CollectionDocument, DocumentDocument, JobDocument } from "./schema.ts";
import type { UnitOfWork } from "./unit_of_work.ts";

/** Documents whose chunks are counted together when another build becomes the active one. */
const PAGE = 500;

type Building = Extract<IndexVersion, { readonly kind: "building" }>;

export function completeReindex(
  database: Database,
  nowMs: number,
  jobId: string,
  outcome: ReindexOutcome,
  keepUntilMs: number | null,
): Promise<CollectionRecord> {
  return endBuild(database, nowMs, jobId, outcome, (unit, collection, next) =>
    activated(database, unit, nowMs, collection, next, jobId, keepUntilMs),
  );
}

export function holdReindex(
  database: Database,
  nowMs: number,
  jobId: string,
  outcome: ReindexOutcome,
  keepUntilMs: number | null,
): Promise<CollectionRecord> {
  return endBuild(database, nowMs, jobId, outcome, async (_unit, collection, { version, build }) => {
    const standby: IndexVersion = { kind: "standby", version, build, jobId, wasActive: false, keepUntilMs };
    return { ...collection, versions: JSON.stringify(replaced(versionsOf(collection), standby)) };
  });
}

/** What completes a reindex: as one, and nothing where the job has completed before. */
function endBuild(
  database: Database,
  nowMs: number,
  jobId: string,
  outcome: ReindexOutcome,
  end: (unit: UnitOfWork, collection: CollectionDocument, next: Building) => Promise<CollectionDocument>,
): Promise<CollectionRecord> {
  return changeJob(database, jobId, async (unit, job, collection) => {
    const next = versionsOf(collection).find((version) => version.kind === "building" && version.jobId === jobId);
    if (next?.kind !== "building") {
      if (job.status === "completed") return toCollectionRecord(collection);
      throw reindexHasEnded();
    }
    const ended = await end(unit, collection, next);
    unit.deleteBlob(job.plan ?? null);
    const completed: JobDocument = {
      ...job,
      plan: null,
      outcome,
      status: "completed",
      finishedAtMs: nowMs,
      indexVersion: ended.indexVersion,
    };
    unit.put("jobs", completed);
    unit.put("collections", ended);
    return toCollectionRecord(ended);
  });
}

export function switchVersion(
  database: Database,
  nowMs: number,
  name: string,
  version: number,
  keepUntilMs: number | null,
): Promise<CollectionRecord> {
  return database.write(name, async (unit, collection) => {
    if (collection.version === version) return toCollectionRecord(collection);
    const next = versionsOf(collection).find((known) => known.version === version);
    if (next?.kind !== "standby") throw notSwitchable(name, version, standbyVersions(toCollectionRecord(collection)));
    const switched = await activated(database, unit, nowMs, collection, next, next.jobId, keepUntilMs);
    unit.put("collections", switched);
    return toCollectionRecord(switched);
  });
}

export function retireVersion(database: Database, nowMs: number, name: string, version: number): Promise<void> {
  return database.write(name, async (unit, collection) => {
    const versions = versionsOf(collection);
    const left = versions.map((known) => (known.kind === "standby" && known.version === version ? retired(known, nowMs) : known));
    if (left.some((known, place) => known !== versions[place])) unit.set("collections", name, { versions: JSON.stringify(left) });
  });
}

/** The collection with another active build; its documents count that one's chunks. */
async function activated(
  database: Database,
  unit: UnitOfWork,
  nowMs: number,
  collection: CollectionDocument,
  next: { readonly version: number; readonly build: BuildSettings },
  jobId: string,
  keepUntilMs: number | null,
): Promise<CollectionDocument> {
  const chunks = await recount(database, unit, collection.c, next.version);
  const before = JSON.parse(collection.settings) as CollectionSettings;
  const { language, embedding, chunking } = before;
  const old = { version: collection.version, build: { language, embedding, chunking } };
  const left: IndexVersion =
    keepUntilMs === 0 ? { kind: "retired", ...old, retiredAtMs: nowMs } : { kind: "standby", ...old, jobId, wasActive: true, keepUntilMs };
  const others = versionsOf(collection).filter(({ version }) => version !== next.version);
  return {
    ...collection,
    settings: JSON.stringify({ ...before, ...next.build }),
    version: next.version,
    versions: JSON.stringify([...others, left].sort((a, b) => a.version - b.version)),
    indexVersion: collection.indexVersion + 1,
    chunks,
    updatedAtMs: nowMs,
  };
}

function replaced(versions: readonly IndexVersion[], by: IndexVersion): readonly IndexVersion[] {
  return versions.map((known) => (known.version === by.version ? by : known));
}

/** @returns the chunks of all documents in this build */
async function recount(database: Database, unit: UnitOfWork, c: string, version: number): Promise<number> {
  const { stores } = database;
  let chunks = 0;
  for (let after = "", isMore = true; isMore; ) {
    await unit.keepLease();
    const documents = await stores.documents
      .find({ c, id: { $gt: after } })
      .sort({ id: 1 })
      .limit(PAGE)
      .toArray();
    const cut = await database.getMany(
      stores.chunks,
      documents.map((document) => `${c}/${version}/${document.id}`),
    );
    for (const document of documents) {
      const count = cut.get(`${c}/${version}/${document.id}`)?.chunks.length ?? 0;
      chunks += count;
      const settled = settle(document, count);
      if (settled !== null) unit.set("documents", document._id, settled);
    }
    after = documents.at(-1)?.id ?? "";
    isMore = documents.length === PAGE;
  }
  return chunks;
}

/** What changes of a document whose chunks are counted in another build; null: nothing. */
function settle(document: DocumentDocument, chunks: number): Partial<DocumentDocument> | null {
  if (document.state === "indexed" && chunks === 0) return { chunks, state: "failed", failure: LOST_IN_REINDEX };
  const wasLost = document.state === "failed" && document.failure === LOST_IN_REINDEX;
  if (chunks > 0 && (document.state === "skipped" || wasLost)) return { chunks, state: "indexed", failure: null };
  return document.chunks === chunks ? null : { chunks };
}
