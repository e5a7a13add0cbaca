import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { Catalog } from "../document_store/catalog.ts";
import type { DocumentStore } from "../document_store/document_store.ts";
import type { IngestService } from "../ingest/ingest_service.ts";
import type { VectorStore } from "../vector_store/vector_store.ts";
import type { UpkeepTask } from "./upkeep_task.ts";

export interface TaskParts {
  readonly catalog: Pick<Catalog, "list" | "resolve" | "finishDeletions" | "aliases">;
  readonly documents: Pick<DocumentStore, "deletingDocuments" | "pruneJobs">;
  readonly vectors: Pick<VectorStore, "ownIndexes">;
  readonly ingest: Pick<
    IngestService,
    | "removeExpired"
    | "finishRemovals"
    | "changedCollections"
    | "optimize"
    | "dropVersion"
    | "retireVersion"
    | "dropOrphan"
    | "removeOrphans"
  >;
  readonly intervalMs: number;
  /** Pause between two looks for what nothing refers to any more. */
  readonly orphanIntervalMs: number;
  /** Folders in which a file named `*.part` or `*.draft` that has not changed for a day is left over from a process that died. */
  readonly draftFolders: readonly string[];
  /** Documents past their time to live removed in one run and collection. */
  readonly maxExpiredDocuments: number;
  /** Finished jobs that are kept, and for how long. */
  readonly maxFinishedJobs: number;
  readonly maxJobAgeMs: number;
  /** How long a build is kept after another has taken its place: searches on it end, and an alias may still be put on it. */
  readonly retiredVersionMs: number;
  readonly clock: Clock;
}

const COLLECTIONS_PER_PAGE = 1000;
const REMOVALS_PER_RUN = 1000;
const JOBS_PER_RUN = 1000;
const OPTIMISATIONS_PER_RUN = 16;
const RUN_LIMIT_MS = 600_000;
/** Age of a draft that nobody writes any more. */
const DRAFT_AGE_MS = 86_400_000;

/** Upkeep of what the stores hold. */
export function storeTasks(parts: TaskParts): readonly UpkeepTask[] {
  const often = { intervalMs: parts.intervalMs, timeoutMs: RUN_LIMIT_MS, takesTurns: false };
  // These may read a whole index, or wait until an ingest job of the collection gives way: the small ones do not wait for them.
  const heavy = { ...often, takesTurns: true };
  const rarely = { ...heavy, intervalMs: parts.orphanIntervalMs };
  return [
    { ...often, name: "remove_expired", run: (signal) => removeExpired(parts, signal) },
    { ...often, name: "finish_removals", run: (signal) => finishRemovals(parts, signal) },
    { ...often, name: "finish_deletions", run: (signal) => parts.catalog.finishDeletions(signal) },
    { ...often, name: "drop_versions", run: (signal) => dropVersions(parts, signal) },
    { ...often, name: "prune_jobs", run: (signal) => pruneJobs(parts, signal) },
    { ...heavy, name: "optimize_indexes", run: (signal) => optimizeIndexes(parts, signal) },
    { ...rarely, name: "remove_orphans", run: (signal) => removeOrphans(parts, signal) },
  ];
}

async function removeExpired({ catalog, ingest, maxExpiredDocuments, clock }: TaskParts, signal: AbortSignal): Promise<number> {
  let removed = 0;
  let after: string | null = null;
  do {
    const page: ReturnType<Catalog["list"]> = catalog.list({ after, limit: COLLECTIONS_PER_PAGE });
    for (const { name, settings, documents } of page.items) {
      if (settings.ttlSeconds === null || documents === 0) continue;
      removed += await ingest.removeExpired(name, clock.wallMs() - settings.ttlSeconds * 1000, maxExpiredDocuments, signal);
    }
    after = page.next;
  } while (after !== null);
  return removed;
}

async function finishRemovals({ documents, ingest }: TaskParts, signal: AbortSignal): Promise<number> {
  const leaving = await documents.deletingDocuments(REMOVALS_PER_RUN, signal);
  for (const [collection, entries] of Map.groupBy(leaving, (entry) => entry.collection)) {
    await ingest.finishRemovals(
      collection,
      entries.map((entry) => entry.id),
      signal,
    );
  }
  return leaving.length;
}

async function dropVersions({ catalog, ingest, retiredVersionMs, clock }: TaskParts, signal: AbortSignal): Promise<number> {
  const pinned = new Set(catalog.aliases().map(({ collection, version }) => `${collection} ${version}`));
  const beforeMs = clock.wallMs() - retiredVersionMs;
  let dropped = 0;
  let after: string | null = null;
  do {
    const page: ReturnType<Catalog["list"]> = catalog.list({ after, limit: COLLECTIONS_PER_PAGE });
    for (const { name, versions } of page.items) {
      for (const version of versions) {
        const isKeptNoLonger = version.kind === "standby" && version.keepUntilMs !== null && version.keepUntilMs <= clock.wallMs();
        if (isKeptNoLonger && (await ingest.retireVersion(name, version.version, signal))) dropped += 1;
        const isDue = version.kind === "retired" && version.retiredAtMs < beforeMs && !pinned.has(`${name} ${version.version}`);
        if (isDue && (await ingest.dropVersion(name, version.version, signal))) dropped += 1;
      }
    }
    after = page.next;
  } while (after !== null);
  return dropped;
}

function pruneJobs({ documents, maxFinishedJobs, maxJobAgeMs, clock }: TaskParts, signal: AbortSignal): Promise<number> {
  return documents.pruneJobs(clock.wallMs() - maxJobAgeMs, maxFinishedJobs, JOBS_PER_RUN, signal);
}

async function optimizeIndexes({ ingest }: TaskParts, signal: AbortSignal): Promise<number> {
  const changed = (await ingest.changedCollections(signal)).slice(0, OPTIMISATIONS_PER_RUN);
  for (const collection of changed) await ingest.optimize(collection, signal);
  return changed.length;
}

/**
 * Indexes of builds that no collection has, rows of documents that the document store does not know (one was put back to an
 * earlier state, the other was not), and drafts of files that a crash has left.
 */
async function removeOrphans({ catalog, ingest, vectors, draftFolders, clock }: TaskParts, signal: AbortSignal): Promise<number> {
  let removed = 0;
  for (const index of await vectors.ownIndexes(signal)) {
    const record = catalog.resolve(index.collection)?.record;
    const isKnown = record?.version === index.version || record?.versions.some(({ version }) => version === index.version) === true;
    if (!isKnown && (await ingest.dropOrphan(index, signal))) removed += 1;
  }
  let after: string | null = null;
  do {
    const page: ReturnType<Catalog["list"]> = catalog.list({ after, limit: COLLECTIONS_PER_PAGE });
    for (const { name } of page.items) removed += await ingest.removeOrphans(name, signal);
    after = page.next;
  } while (after !== null);
  for (const folder of draftFolders) removed += await removeDrafts(folder, clock.wallMs() - DRAFT_AGE_MS);
  return removed;
}

async function removeDrafts(folder: string, beforeMs: number): Promise<number> {
  const names = await readdir(folder).catch(() => []); // a folder that is not there yet has none
  let removed = 0;
  for (const name of names) {
    if (!/\.(part|draft)$/.test(name)) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY })); // its writer has just renamed it
    if (mtimeMs >= beforeMs) continue;
    await rm(path, { force: true });
    removed += 1;
  }
  return removed;
}
