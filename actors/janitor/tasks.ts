import type { Clock } from "../../runtime/clock.ts";
import type { Catalog } from "../document_store/catalog.ts";
import type { DocumentStore } from "../document_store/document_store.ts";
import type { IngestService } from "../ingest/ingest_service.ts";

/** One kind of upkeep. What it does in one run is bounded; what it leaves, the next run does. */
export interface JanitorTask {
  readonly name: string;
  /** @returns how many things it has dealt with */
  run(signal: AbortSignal): Promise<number>;
}

export interface TaskParts {
  readonly catalog: Pick<Catalog, "list" | "finishDeletions" | "aliases">;
  readonly documents: Pick<DocumentStore, "deletingDocuments" | "pruneJobs">;
  readonly ingest: Pick<
    IngestService,
    "removeExpired" | "finishRemovals" | "changedCollections" | "optimize" | "dropVersion" | "retireVersion"
  >;
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

/** In this order: what makes something unseen first, what makes it faster last. */
export function janitorTasks(parts: TaskParts): readonly JanitorTask[] {
  return [
    { name: "remove_expired", run: (signal) => removeExpired(parts, signal) },
    { name: "finish_removals", run: (signal) => finishRemovals(parts, signal) },
    { name: "finish_deletions", run: (signal) => parts.catalog.finishDeletions(signal) },
    { name: "drop_versions", run: (signal) => dropVersions(parts, signal) },
    { name: "prune_jobs", run: (signal) => pruneJobs(parts, signal) },
    { name: "optimize_indexes", run: (signal) => optimizeIndexes(parts, signal) },
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
