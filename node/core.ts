import type { Modes } from "../actors/coordinator/modes.ts";
import { type Catalog, type CollectionIndexes, openCatalog } from "../actors/document_store/catalog.ts";
import { STATIC_MODEL_FACTS } from "../actors/embedding/static/static_model.ts";
import { type IngestOptions, type IngestService, ingestBehavior, ingestService } from "../actors/ingest/ingest.ts";
import { createPreparer } from "../actors/ingest/preparing/preparer.ts";
import { createJanitor } from "../actors/janitor/janitor.ts";
import { janitorTasks } from "../actors/janitor/tasks.ts";
import { followWrites } from "../actors/retriever/registry/followed_store.ts";
import type { ResidentParts } from "../actors/retriever/registry/options.ts";
import { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { kennelError } from "../runtime/errors.ts";
import type { Random } from "../runtime/random.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { registryOptions } from "./options.ts";
import type { Services } from "./services.ts";

/** UTF-16 units of a document's id. */
const MAX_ID_LENGTH = 512;
/** Longest ask of the ingest actor; a request's own deadline is shorter. */
const INGEST_LIMIT_MS = 600_000;

/** Finished jobs that can still be asked for. */
const FINISHED_JOBS = { maxFinishedJobs: 1_000, maxJobAgeMs: 7 * 86_400_000 } as const;

export interface CoreParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly supervisor: Supervisor;
  readonly services: Services;
  readonly modes: Modes;
  readonly resident: ResidentParts;
}

/** What a node does, apart from how requests get in: collections, retrievers, ingest. */
export interface Core {
  readonly catalog: Catalog;
  readonly registry: RetrieverRegistry;
  readonly ingest: IngestService;
  /** Ends the threads that parse, once the actors are stopped. */
  readonly close: () => Promise<void>;
}

/**
 * Catalog, registry and ingest know each other only by callbacks that are set here: the catalog tells the registry what
 * changed, ingest tells both which index version a collection has.
 */
export async function startCore(parts: CoreParts): Promise<Core> {
  const { config, services, supervisor, metrics } = parts;
  const indexes: CollectionIndexes = {
    create: (record, signal) =>
      services.vectors.createIndex(
        { collection: record.name, version: record.version },
        { dimensions: services.embedding.dimensions, language: record.settings.language, attributes: record.attributes },
        signal,
      ),
    drop: (record, signal) => ingest.dropIndex(record, signal),
  };
  const followers: ((name: string, record: Parameters<RetrieverRegistry["changed"]>[1]) => void)[] = [];
  const catalog = await openCatalog(
    {
      store: services.documents,
      indexes,
      ...config.catalog,
      onChange: (name, record) => {
        if (record === null) metrics.forgetCollection(name);
        for (const follow of followers) follow(name, record);
      },
    },
    AbortSignal.timeout(config.documentStore.callTimeoutMs),
  );
  await parts.resident.snapshots.open((name) => catalog.resolve(name));
  const registry = new RetrieverRegistry(
    {
      clock: parts.clock,
      random: parts.random,
      logger: parts.logger,
      metrics: { ...metrics.search, ...metrics.retriever },
      supervisor: supervisor.spawnSupervisor("retrievers", { shutdown: "together" }),
      collections: catalog,
      pinned: () => pinnedOf(catalog),
      vectorStore: services.vectors,
      lexicalIndex: services.vectors,
      models: (name) => modelOf(services, name),
      documents: services.documents,
      modes: parts.modes,
      resident: parts.resident,
    },
    registryOptions(config),
  );
  followers.push((name, record) => void registry.changed(name, record));
  const preparer = createPreparer({
    limits: config.ingest,
    maxThreads: config.ingest.workers,
    parseTimeoutMs: config.ingest.parseTimeoutMs,
    modelInThreads: STATIC_MODEL_FACTS.name,
    clock: parts.clock,
  });
  const options: IngestOptions = {
    documents: services.documents,
    vectors: followWrites(services.vectors, registry),
    catalog,
    preparer,
    modelOf: (name) => modelOf(services, name),
    onIndexChanged: (collection, indexVersion) => void registry.refresh(collection, indexVersion),
    metrics: metrics.ingest,
    limits: { ...config.ingest, minRowsToOptimize: config.janitor.minRowsToOptimize },
    accept: { ...config.ingest, maxDocuments: config.http.maxDocuments, maxIdLength: MAX_ID_LENGTH },
    maxOpenJobs: config.ingest.maxOpenJobs,
    maxAcceptingBytes: config.http.maxBufferedBytes,
    maxParallel: config.ingest.workers,
    clock: parts.clock,
    random: parts.random,
    logger: parts.logger,
  };
  const actor = supervisor.spawn({
    name: "ingest",
    kind: "ingest",
    limits: config.supervision.ingest,
    behavior: () => ingestBehavior(options),
  });
  const ingest = ingestService(actor, options, INGEST_LIMIT_MS);
  startJanitor(parts, catalog, ingest);
  return { catalog, registry, ingest, close: () => preparer.close() };
}

function startJanitor({ config, services, supervisor, clock, random, logger }: CoreParts, catalog: Catalog, ingest: IngestService): void {
  const tasks = janitorTasks({ catalog, documents: services.documents, ingest, ...config.janitor, ...FINISHED_JOBS, clock });
  const { intervalMs } = config.janitor;
  const { behavior, details } = createJanitor({ tasks, intervalMs, taskTimeoutMs: INGEST_LIMIT_MS, clock, random, logger });
  supervisor.spawn({ name: "janitor", kind: "janitor", limits: config.supervision.janitor, behavior, details });
}

function modelOf(services: Services, name: string): Services["embedding"] {
  if (name === services.embedding.name) return services.embedding;
  throw kennelError("unavailable", { message: `This node does not have the embedding model "${name}"` });
}

function pinnedOf(catalog: Catalog): readonly string[] {
  const pinned: string[] = [];
  let after: string | null = null;
  do {
    const page: ReturnType<Catalog["list"]> = catalog.list({ after, limit: 1_000 });
    for (const { name, settings } of page.items) if (settings.pinned) pinned.push(name);
    after = page.next;
  } while (after !== null);
  return pinned;
}
