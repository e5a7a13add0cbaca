import { join } from "node:path";
import type { Modes } from "../actors/coordinator/modes.ts";
import type { Catalog, CollectionIndexes, LoadableCatalog } from "../actors/document_store/catalog.ts";
import { collectionsUnknown, loadCatalog, loadCatalogEventually } from "../actors/document_store/catalog_loading.ts";
import { createCatalog } from "../actors/document_store/catalog_view.ts";
import type { CollectionRecord } from "../actors/document_store/collection_record.ts";
import { ingestBehavior } from "../actors/ingest/ingest.ts";
import { type IngestService, ingestService } from "../actors/ingest/ingest_service.ts";
import type { IngestOptions } from "../actors/ingest/ingest_state.ts";
import type { IngestMessage } from "../actors/ingest/messages.ts";
import { createPreparer } from "../actors/ingest/preparing/preparer.ts";
import { Repairs } from "../actors/ingest/repairs.ts";
import type { JobQueue } from "../actors/ingest/sharing/job_queue.ts";
import { SharedJobs } from "../actors/ingest/sharing/shared_jobs.ts";
import { validWrites } from "../actors/ingest/sharing/valid_writes.ts";
import { UsageStatistics } from "../actors/janitor/usage.ts";
import { followWrites } from "../actors/retriever/registry/followed_store.ts";
import { watchMissing } from "../actors/retriever/registry/missing_indexes.ts";
import type { ResidentParts } from "../actors/retriever/registry/options.ts";
import { noteParents, PassingParents } from "../actors/retriever/registry/passing_parents.ts";
import { PopularQueries } from "../actors/retriever/registry/popular_queries.ts";
import { PopularQueryFile } from "../actors/retriever/registry/popular_query_file.ts";
import { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import type { UpkeepControl } from "../bridge/http/collaborators.ts";
import type { Flags } from "../config/flags.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../runtime/errors.ts";
import type { Random } from "../runtime/random.ts";
import type { ChildSpec } from "../supervisor/child.ts";
import type { ActorRef } from "../supervisor/kernel/behavior.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Logger } from "../telemetry/logs.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Tracer } from "../telemetry/tracing.ts";
import { compareBuilds } from "./build_comparisons.ts";
import { registryOptions } from "./options.ts";
import type { Services } from "./services.ts";
import { startUpkeep, upkeepNotBegun } from "./upkeep.ts";

/** UTF-16 units of a document's id. */
const MAX_ID_LENGTH = 512;
/** Longest ask of the ingest actor; a request's own deadline is shorter. */
const INGEST_LIMIT_MS = 600_000;

const MAX_SHOWN_BUILDS = 20;
/** Parents on their way from the document store's transaction to the index: those of a few batches. */
const PASSING_PARENT_BYTES = 16_777_216;
/** In the data folder: what is asked most. */
const POPULAR_FILE = "popular_queries.json";
/** In the data folder: how often collections are searched. */
const USAGE_FILE = "usage.json";
const POPULAR = { maxCollections: 256, saveIntervalMs: 60_000 } as const;

/** Stands between retrievers and their supervisor, so that one can be made to crash, hang or be slow on demand. */
export type RetrieverTap = <State, Message>(spec: ChildSpec<State, Message>) => ChildSpec<State, Message>;

export const NO_RETRIEVER_TAP: RetrieverTap = (spec) => spec;

export interface CoreParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly supervisor: Supervisor;
  readonly services: Services;
  readonly modes: Modes;
  /** What is switched on now. */
  readonly flags: Flags;
  readonly resident: ResidentParts;
  readonly retrieverTap: RetrieverTap;
  /** Files that belong to no collection yet. */
  readonly uploads: { dropOld(): Promise<number> };
  /** Null: this node's jobs are its own. */
  readonly jobQueue: JobQueue | null;
  /** Whether a collection that is warmed at the start is to be on this node, and not on others alone. */
  readonly isPlacedHere: (collection: string) => boolean;
  /** Told when this node has changed a collection, or what it holds. */
  readonly onChanged: (collection: string) => void;
  /** Told when this node has moved or deleted an alias. */
  readonly onAliasChanged: (alias: string) => void;
}

/** What a node does, apart from how requests get in: collections, retrievers, ingest. */
export interface Core {
  readonly catalog: Catalog;
  readonly registry: RetrieverRegistry;
  readonly ingest: IngestService;
  readonly upkeep: UpkeepControl;
  /** Resolves when a request can be answered: the collections are known, or were waited for long enough. Rejects when the start has failed. */
  readonly settled: Promise<unknown>;
  /** Resolves once the collections are known and what works on them has begun; rejects when that failed for good or `close` came first. */
  readonly known: Promise<void>;
  /** Another node has changed the collection: its record is read anew, and what is held of it is opened anew. */
  readonly changedElsewhere: (collection: string, signal: AbortSignal) => Promise<void>;
  /** Looks for indexes that were lost, until `close`. Never rejects. */
  readonly audit: () => Promise<void>;
  /** What is left of jobs goes to other nodes; resolves when it has, or after `limitMs`. */
  readonly leaveJobs: (limitMs: number) => Promise<void>;
  /** Ends the threads that parse, once the actors are stopped. */
  readonly close: () => Promise<void>;
}

/**
 * Catalog, registry and ingest know each other only by callbacks that are set here: the catalog tells the registry what
 * changed, ingest tells both which index version a collection has.
 */
export function startCore(parts: CoreParts): Core {
  const { config, services, supervisor, metrics } = parts;
  const indexes: CollectionIndexes = { drop: (record, signal) => ingest.dropIndex(record, signal) };
  const followers: ((name: string, record: Parameters<RetrieverRegistry["changed"]>[1]) => void)[] = [];
  const catalog = createCatalog({
    store: services.documents,
    indexes,
    ...config.catalog,
    onChange: (name, record) => {
      if (record === null) {
        metrics.forgetCollection(name);
        services.forgetAdopted(name);
        usage.forget(name);
      }
      for (const follow of followers) follow(name, record);
    },
    onAliasChange: parts.onAliasChanged,
    notLoaded: () => collectionsUnknown(services.documentService),
  });
  services.adoptions.follow((name) => catalog.resolve(name)?.record.settings.adopt ?? null);
  const closing = new AbortController();
  const searched = watchMissing(services.vectors, (index) => repairs.missed(index, closing.signal));
  const popular = popularQueries(parts);
  const usage = new UsageStatistics(join(config.dataDir, USAGE_FILE), config.janitor.maxUsageCollections, parts.clock);
  const pinned = () => pinnedOf(catalog).filter(parts.isPlacedHere);
  const retrievers = supervisor.spawnSupervisor("retrievers", { shutdown: "together" });
  const registry = new RetrieverRegistry(
    {
      clock: parts.clock,
      random: parts.random,
      logger: parts.logger,
      metrics: { ...metrics.search, ...metrics.retriever },
      tracer: parts.tracer,
      supervisor: { spawn: (spec) => retrievers.spawn(parts.retrieverTap(spec)) },
      collections: catalog,
      pinned,
      vectorStore: searched,
      lexicalIndex: searched,
      models: (name) => modelOf(services, name, "conflict"),
      reranker: services.reranker,
      languageModel: services.languageModel,
      sharedAnswers: services.sharedAnswers,
      documents: {
        ...services.documents,
        noteUse: (uses, signal) => {
          usage.add(uses); // whatever becomes of the note: the two are kept apart
          return services.documents.noteUse(uses, signal);
        },
        recentlyUsed: async (limit, signal) => (await services.documents.recentlyUsed(limit, signal)).filter(parts.isPlacedHere),
      },
      modes: parts.modes,
      flags: parts.flags,
      hedging: services.hedging,
      bulkheads: { embedding: services.embeddingBulkhead, reranker: services.rerankerBulkhead },
      popular,
      resident: parts.resident,
    },
    registryOptions(config),
  );
  const readingAnew = new Set<string>();
  followers.push((name, record) => {
    if (readingAnew.has(name)) return void registry.changedElsewhere(name, record);
    void registry.changed(name, record);
    parts.onChanged(name);
  });
  const changedElsewhere = async (name: string, signal: AbortSignal) => {
    readingAnew.add(name);
    try {
      await catalog.refresh(name, signal);
    } finally {
      readingAnew.delete(name);
    }
  };
  const preparer = createPreparer({
    limits: config.ingest,
    maxThreads: config.ingest.workers,
    parseTimeoutMs: config.ingest.parseTimeoutMs,
    modelInThreads: services.modelInThreads,
    clock: parts.clock,
  });
  const parents = new PassingParents(PASSING_PARENT_BYTES);
  const shared = sharedJobs(parts);
  const written = followWrites(services.vectors, registry, parents);
  const options: IngestOptions = {
    documents: noteParents(services.documents, parents),
    vectors: shared === null ? written : validWrites(written, shared),
    catalog,
    preparer,
    // A job waits for its model to come back, as for any other service.
    modelOf: (name) => modelOf(services, name, "unavailable"),
    onIndexChanged: (collection, indexVersion) => {
      services.onIndexChanged(collection, indexVersion);
      void registry.refresh(collection, indexVersion);
    },
    compare: compareBuilds({ catalog, registry, popular, clock: parts.clock }),
    metrics: metrics.ingest,
    limits: { ...config.ingest, minRowsToOptimize: config.janitor.minRowsToOptimize },
    accept: { ...config.ingest, maxDocuments: config.http.maxDocuments, maxIdLength: MAX_ID_LENGTH },
    maxOpenJobs: config.ingest.maxOpenJobs,
    maxAcceptingBytes: config.http.maxBufferedBytes,
    maxParallel: config.ingest.workers,
    shared,
    foreign: services.foreign,
    clock: parts.clock,
    random: parts.random,
    tracer: parts.tracer,
    logger: parts.logger.child({ actor: `${supervisor.path}/ingest` }),
  };
  let upkeep: UpkeepControl = upkeepNotBegun(() => collectionsUnknown(services.documentService));
  let worker: ActorRef<IngestMessage> | null = null;
  const ingest = ingestService(laterActor(() => worker, () => collectionsUnknown(services.documentService)), options, INGEST_LIMIT_MS); // biome-ignore format: one thought
  const begin = () => {
    if (closing.signal.aborted) throw closing.signal.reason;
    worker = supervisor.spawn({
      name: "ingest",
      kind: "ingest",
      limits: config.supervision.ingest,
      behavior: () => ingestBehavior(options),
      details: () => ({
        building: catalog.building().slice(0, MAX_SHOWN_BUILDS).map(describeBuild),
        ...(shared === null ? {} : { jobs: shared.describe() }),
      }),
    });
    upkeep = startUpkeep({ ...parts, catalog, ingest, registry, usage, pinned });
  };
  const repairs = new Repairs({ catalog, ingest, clock: parts.clock, logger: parts.logger });
  const close = async () => {
    closing.abort(kennelError("draining"));
    await Promise.all([preparer.close(), usage.save().catch(({ code }) => parts.logger.warn({ code }, "usage was not kept"))]);
  };
  const usageLoaded = usage.load().catch(({ code }) => parts.logger.warn({ code }, "earlier usage is not known"));
  const opening = openCollections(parts, catalog, closing.signal);
  const known = Promise.all([opening.known, usageLoaded]).then(begin);
  known.catch(() => {}); // whoever started the node hears of it by `settled`
  services.followSettled((name) =>
    known
      .then(() => changedElsewhere(name, closing.signal))
      .catch((thrown) =>
        parts.logger.warn({ code: toKennelError(thrown).code }, "a collection that was left behind could not be read anew"),
      ),
  );
  return {
    catalog,
    registry,
    ingest,
    upkeep: {
      list: () => upkeep.list(),
      pause: (...given) => upkeep.pause(...given),
      resume: (...given) => upkeep.resume(...given),
      run: (...given) => upkeep.run(...given),
      usage: (limit) => upkeep.usage(limit),
    },
    changedElsewhere,
    known,
    settled: opening.settledWith(known),
    audit: () => repairs.audit(closing.signal),
    leaveJobs: async (limitMs) => shared?.leave(limitMs),
    close,
  };
}

/**
 * Reads the collections. Where the document store is a file of this node's, a start without it has failed; a server is
 * waited for so long that a start beside it is whole, and from then on for as long as it takes.
 */
function openCollections({ config, services, resident, clock, random, logger }: CoreParts, catalog: LoadableCatalog, closing: AbortSignal) {
  const parts = {
    catalog,
    service: services.documentService,
    prepare: (resolve: Catalog["resolve"]) => resident.snapshots.open(resolve),
    timeoutMs: config.documentStore.callTimeoutMs,
    clock,
    random,
    logger,
  };
  const isServer = config.mongodb.url !== "";
  const startTimeout = AbortSignal.timeout(config.supervision.documentStore.startTimeoutMs);
  return {
    known: isServer
      ? loadCatalogEventually(parts, closing)
      : loadCatalog(parts, AbortSignal.any([closing, startTimeout])).catch((thrown) => {
          throw services.documentService.refusal ?? thrown; // says more than that it took too long
        }),
    settledWith: (known: Promise<void>) =>
      Promise.race([known, services.documentsRefused, ...(isServer ? [clock.sleep(config.mongodb.startWaitMs, closing)] : [])]),
  };
}

/** Null: the document store is a file of this node's. */
function sharedJobs({ config, services, jobQueue, clock, random, logger, metrics }: CoreParts): SharedJobs | null {
  if (config.mongodb.url === "") return null;
  return new SharedJobs({
    documents: services.documents,
    queue: jobQueue,
    leaseMs: config.mongodb.leaseMs,
    maxDeliveries: config.ingest.maxDeliveries,
    maxParallel: config.ingest.workers,
    clock,
    random,
    logger,
    metrics: metrics.ingest,
  });
}

/** An actor that is spawned later: asks before that are refused. */
function laterActor<Message>(actor: () => ActorRef<Message> | null, refusal: () => KennelError): ActorRef<Message> {
  return {
    get path() {
      return actor()?.path ?? "";
    },
    tell: (message, options) => actor()?.tell(message, options) ?? false,
    ask: (message, options) => actor()?.ask(message, options) ?? Promise.reject(refusal()),
  };
}

function popularQueries({ config, clock, logger }: CoreParts): PopularQueries {
  const file = new PopularQueryFile(join(config.dataDir, POPULAR_FILE));
  const options = { ...POPULAR, maxQueries: config.retriever.warmQueries };
  return new PopularQueries(clock, file, options, ({ code }) => logger.warn({ code }, "what is asked most was not kept"));
}

/** The next build of a collection, as the status tells of it. */
function describeBuild({ name, versions }: CollectionRecord): object {
  const building = versions.find((version) => version.kind === "building");
  return { collection: name, version: building?.version, job: building?.jobId, through: building?.through, is_repair: building?.isRepair };
}

function modelOf(services: Services, name: string, otherwise: "conflict" | "unavailable"): Services["embedding"] {
  if (name === services.embedding.name) return services.embedding;
  throw kennelError(otherwise, {
    message:
      `The collection was made with the embedding model "${name}", this node runs "${services.embedding.name}": vectors of two models cannot be compared; ` +
      "reindex the collection with this node's model, or set KENNEL_EMBEDDING back",
  });
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
