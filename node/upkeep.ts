import { join } from "node:path";
import type { Catalog } from "../actors/document_store/catalog.ts";
import { DATABASE_FILE } from "../actors/document_store/libsql.ts";
import { backUpWithDigest } from "../actors/document_store/libsql_backup.ts";
import type { IngestService } from "../actors/ingest/ingest_service.ts";
import { startJanitor } from "../actors/janitor/janitor.ts";
import { watchMemory } from "../actors/janitor/memory_watch.ts";
import { scheduledBackup } from "../actors/janitor/scheduled_backup.ts";
import { storeTasks } from "../actors/janitor/tasks.ts";
import type { UpkeepTask } from "../actors/janitor/upkeep_task.ts";
import type { UsageStatistics } from "../actors/janitor/usage.ts";
import type { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import type { UpkeepControl } from "../bridge/http/collaborators.ts";
import { printableConfig } from "../config/print.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { type KennelError, kennelError } from "../runtime/errors.ts";
import { readMemory } from "../runtime/memory.ts";
import type { Random } from "../runtime/random.ts";
import { VERSION } from "../runtime/version.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Services } from "./services.ts";

/** Finished jobs that can still be asked for. */
const FINISHED_JOBS = { maxFinishedJobs: 1_000, maxJobAgeMs: 7 * 86_400_000 } as const;
/** Searches on a build end within minutes; whoever wants it back has the rest of the hour to put an alias on it. */
const RETIRED_VERSION_MS = 3_600_000;
/** Most searched collections of the last week that are looked at when there is room for one more. */
const POPULAR = { collections: 256, days: 7 } as const;
const RUN_LIMIT_MS = 600_000;

export interface UpkeepParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly supervisor: Supervisor;
  readonly services: Services;
  readonly catalog: Catalog;
  readonly ingest: IngestService;
  readonly registry: RetrieverRegistry;
  readonly usage: UsageStatistics;
  /** Pinned collections of this node. */
  readonly pinned: () => readonly string[];
  readonly isPlacedHere: (collection: string) => boolean;
  /** Files that belong to no collection yet. */
  readonly uploads: { dropOld(): Promise<number> };
}

/** Starts what the node does to keep itself in order, each task as a child of `janitor`. */
export function startUpkeep(parts: UpkeepParts): UpkeepControl {
  const { config, clock, random, logger, metrics, supervisor, usage } = parts;
  const janitor = startJanitor(tasksOf(parts), {
    supervisor: supervisor.spawnSupervisor("janitor", { shutdown: "together" }),
    limits: config.supervision.janitor,
    clock,
    random,
    logger,
    onRun: (task, outcome, durationMs) => metrics.upkeep.ran(task, outcome, durationMs),
  });
  return { ...janitor, usage: (limit) => usage.top(limit) };
}

/** Before the collections are known, and nothing runs: each order is refused. */
export function upkeepNotBegun(refusal: () => KennelError): UpkeepControl {
  const refuse = async () => {
    throw refusal();
  };
  return {
    list: () => {
      throw refusal();
    },
    pause: refuse,
    resume: refuse,
    run: refuse,
    usage: () => [],
  };
}

function tasksOf(parts: UpkeepParts): readonly UpkeepTask[] {
  const { config, clock, catalog, ingest, services, registry, usage, uploads, supervisor } = parts;
  const { intervalMs, orphanIntervalMs, memoryIntervalMs, maxExpiredDocuments } = config.janitor;
  const often = { intervalMs, timeoutMs: RUN_LIMIT_MS, takesTurns: false };
  return [
    ...storeTasks({
      catalog,
      documents: services.documents,
      vectors: services.vectors,
      ingest,
      intervalMs,
      orphanIntervalMs,
      maxExpiredDocuments,
      draftFolders: [config.dataDir, ...(config.backup.folder === "" ? [] : [config.backup.folder])],
      ...FINISHED_JOBS,
      retiredVersionMs: RETIRED_VERSION_MS,
      clock,
    }),
    { ...often, name: "refresh_retrievers", run: () => registry.refreshStale() },
    { ...often, name: "warm_popular", run: (signal) => registry.warmWhatFits(popular(parts), signal) },
    { ...often, name: "clean_uploads", run: () => uploads.dropOld() },
    { ...often, name: "keep_usage", run: () => usage.save() },
    watchMemory({
      read: readMemory,
      highWater: config.resident.highWater,
      intervalMs: memoryIntervalMs,
      relieve: () => registry.relieve(),
      onChange: (event, detail) => supervisor.events.report(supervisor.path, event, detail),
    }),
    ...backups(parts),
  ];
}

/** Pinned ones, then the most searched of the week that were asked of late: those that were let go because nobody asks stay out. */
function popular({ config, clock, catalog, usage, pinned, isPlacedHere }: UpkeepParts): readonly string[] {
  const sinceMs = clock.wallMs() - config.retriever.idleMs;
  const recent = usage.top(POPULAR.collections, POPULAR.days).filter(({ lastAtMs }) => lastAtMs > sinceMs);
  const names = recent.slice(0, config.retriever.warmCollections).map(({ collection }) => collection);
  return [...new Set([...pinned(), ...names.filter(isPlacedHere)])].filter((name) => (catalog.resolve(name)?.record.chunks ?? 0) > 0);
}

function backups({ config, clock }: UpkeepParts): readonly UpkeepTask[] {
  const { folder, intervalMs, keep } = config.backup;
  if (folder === "") return [];
  const make = async (to: string, signal: AbortSignal) => {
    const notes = { version: VERSION, node: config.nodeName, takenAtMs: clock.wallMs(), settings: JSON.stringify(printableConfig(config)) };
    const from = join(config.dataDir, DATABASE_FILE);
    await backUpWithDigest({ from, draft: `${to}.part`, to, notes, onProgress: () => {} }, clock, signal).catch((cause: unknown) => {
      const isFull = (cause as { readonly code?: unknown }).code;
      throw isFull === "ENOSPC" || isFull === "storage_full" ? kennelError("storage_full", { cause }) : cause;
    });
  };
  return [scheduledBackup({ folder, intervalMs, keep, nodeName: config.nodeName, checkMs: config.janitor.intervalMs, make, clock })];
}
