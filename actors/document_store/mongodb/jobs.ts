import type { Filter } from "mongodb";
import type { JobRecord } from "../job_record.ts";
import { leftUndone, MAX_FAILURES, noJob } from "../rules.ts";
import { type Database, versionsOf } from "./database.ts";
import type { CollectionDocument, JobDocument } from "./schema.ts";
import type { UnitOfWork } from "./unit_of_work.ts";

/** Open jobs given at once; the ingest lets in far fewer. */
const MAX_OPEN_JOBS = 100_000;

export function newJob(
  nowMs: number,
  collection: CollectionDocument,
  job: Pick<JobRecord, "id" | "kind"> & { readonly total: number },
): Omit<JobDocument, "fence"> {
  return {
    _id: job.id,
    c: collection.c,
    collection: collection._id,
    number: collection.jobs + 1,
    kind: job.kind,
    status: "queued",
    counts: { total: job.total, indexed: 0, unchanged: 0, skipped: 0, failed: 0, chunks: 0 },
    failures: "[]",
    indexVersion: null,
    createdAtMs: nowMs,
    startedAtMs: null,
    finishedAtMs: null,
  };
}

export async function getJob(database: Database, jobId: string): Promise<JobRecord | null> {
  const found = await findJob(database, jobId);
  return found === null ? null : toJobRecord(found);
}

export async function openJobs(database: Database): Promise<JobRecord[]> {
  const leaving = new Set(await database.deletingKeys());
  const found = await database.stores.jobs.find({ finishedAtMs: null }).sort({ createdAtMs: 1, number: 1 }).limit(MAX_OPEN_JOBS).toArray();
  return found.filter((job) => !leaving.has(job.c)).map(toJobRecord);
}

export function startJob(database: Database, nowMs: number, jobId: string): Promise<void> {
  return changeJob(database, jobId, async (unit, job) => {
    if (job.finishedAtMs === null) unit.put("jobs", { ...job, status: "running", startedAtMs: job.startedAtMs ?? nowMs });
  });
}

export function cancelJob(database: Database, nowMs: number, jobId: string): Promise<boolean> {
  return changeJob(database, jobId, async (unit, job, collection) => {
    if (job.finishedAtMs !== null) return false;
    await endJob(database, unit, nowMs, job, collection, "cancelled", null);
    return true;
  });
}

export function finishJob(
  database: Database,
  nowMs: number,
  jobId: string,
  status: "completed" | "failed",
  reason: string | null,
): Promise<JobRecord> {
  return changeJob(database, jobId, async (unit, job, collection) =>
    toJobRecord(job.finishedAtMs === null ? await endJob(database, unit, nowMs, job, collection, status, reason) : job),
  );
}

/** Ends an open job with all that belongs to it; the collection is written where the job had a build of it. */
async function endJob(
  database: Database,
  unit: UnitOfWork,
  nowMs: number,
  job: JobDocument,
  collection: CollectionDocument,
  status: "completed" | "failed" | "cancelled",
  reason: string | null,
): Promise<JobDocument> {
  const left = await database.stores.documents.find({ job: job._id, isDeleting: false }, { projection: { _id: 1, id: 1 } }).toArray();
  const failure = leftUndone(status, reason);
  for (const { _id } of left) unit.set("documents", _id, { state: "failed", failure, job: null });
  const given = reason === null ? [] : left.slice(0, MAX_FAILURES).map(({ id }) => ({ documentId: id, message: failure }));
  const versions = versionsOf(collection);
  if (versions.some((version) => version.kind === "building" && version.jobId === job._id)) {
    // The build of a reindex that has not come to its end was never active.
    const ended = versions.map((version) =>
      version.kind === "building"
        ? ({ kind: "retired", version: version.version, build: version.build, retiredAtMs: 0 } as const)
        : version,
    );
    unit.set("collections", collection._id, { versions: JSON.stringify(ended) });
  }
  unit.deleteBlob(job.plan ?? null);
  const ended: JobDocument = {
    ...job,
    plan: null,
    status,
    counts: { ...job.counts, failed: job.counts.failed + left.length },
    failures: addFailures(job, given),
    finishedAtMs: nowMs,
    indexVersion: status === "completed" ? collection.indexVersion : null,
  };
  unit.put("jobs", ended);
  return ended;
}

export async function pruneJobs(database: Database, beforeMs: number, keep: number, limit: number): Promise<number> {
  const { jobs } = database.stores;
  const isFinished: Filter<JobDocument> = { finishedAtMs: { $ne: null } };
  const [oldestKept] = await jobs.find(isFinished).sort({ createdAtMs: -1, number: -1 }).skip(keep).limit(1).toArray();
  const beyond: Filter<JobDocument>[] =
    oldestKept === undefined
      ? []
      : [{ createdAtMs: { $lt: oldestKept.createdAtMs } }, { createdAtMs: oldestKept.createdAtMs, number: { $lte: oldestKept.number } }];
  const pruned = await jobs
    .find({ $and: [isFinished, { $or: [{ finishedAtMs: { $lt: beforeMs } }, ...beyond] }] }, { projection: { _id: 1 } })
    .sort({ createdAtMs: 1, number: 1 })
    .limit(limit)
    .toArray();
  if (pruned.length === 0) return 0;
  // A finished job never changes, so that its removal needs no lease.
  const removed = await jobs.bulkWrite(
    pruned.map(({ _id }) => ({ deleteOne: { filter: { _id } } })),
    { ordered: false },
  );
  return removed.deletedCount;
}

/** Jobs that lose a document to a later one or to a removal count it as skipped. */
export class LeavingDocuments {
  readonly #database: Database;
  readonly #lost = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
  }

  leave(jobId: string | null): void {
    if (jobId !== null) this.#lost.set(jobId, (this.#lost.get(jobId) ?? 0) + 1);
  }

  /** @param own a job that the same unit writes anyway. @returns what that one has lost */
  async collect(unit: UnitOfWork, own: string | null): Promise<number> {
    const jobs = await this.#database.getMany(this.#database.stores.jobs, [...this.#lost.keys()]);
    for (const job of jobs.values()) {
      if (job.finishedAtMs !== null || job._id === own) continue;
      const counts = { ...job.counts, skipped: job.counts.skipped + (this.#lost.get(job._id) ?? 0) };
      unit.set("jobs", job._id, { counts });
    }
    return own === null ? 0 : (this.#lost.get(own) ?? 0);
  }
}

function failuresOf(job: Pick<JobDocument, "failures">): JobRecord["failures"] {
  return JSON.parse(job.failures) as JobRecord["failures"];
}

export function addFailures(job: JobDocument, added: JobRecord["failures"]): string {
  return JSON.stringify([...failuresOf(job), ...added].slice(0, MAX_FAILURES));
}

/** Runs `work` under the lease of the job's collection. @throws `not_found` */
export async function changeJob<Result>(
  database: Database,
  jobId: string,
  work: (unit: UnitOfWork, job: JobDocument, collection: CollectionDocument) => Promise<Result>,
): Promise<Result> {
  const { collection } = await requireJob(database, jobId);
  return database.write(collection, async (unit, found) => work(unit, await requireJob(database, jobId), found));
}

/** @throws `not_found` */
export async function requireJob(database: Database, jobId: string): Promise<JobDocument> {
  const found = await findJob(database, jobId);
  if (found === null) throw noJob();
  return found;
}

/** A job whose collection is being removed is not found. */
async function findJob(database: Database, jobId: string): Promise<JobDocument | null> {
  const found = await database.stores.jobs.findOne({ _id: jobId });
  if (found === null) return null;
  const collection = await database.stores.collections.findOne({ _id: found.collection });
  return collection === null || collection.isDeleting || collection.c !== found.c ? null : found;
}

export function toJobRecord(job: Omit<JobDocument, "fence">): JobRecord {
  const { _id: id, collection, kind, status, counts, indexVersion, createdAtMs, startedAtMs, finishedAtMs } = job;
  const outcome = job.outcome ?? null;
  return { id, collection, kind, status, counts, failures: failuresOf(job), indexVersion, outcome, createdAtMs, startedAtMs, finishedAtMs };
}
