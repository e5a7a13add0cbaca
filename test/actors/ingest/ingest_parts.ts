import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Catalog } from "../../../actors/document_store/catalog.ts";
import { openCatalog } from "../../../actors/document_store/catalog_view.ts";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import type { JobRecord } from "../../../actors/document_store/job_record.ts";
import { openLibsqlDocumentStore } from "../../../actors/document_store/libsql.ts";
import { loadStaticModel } from "../../../actors/embedding/static/static_model.ts";
import { ingestBehavior } from "../../../actors/ingest/ingest.ts";
import { type IngestService, ingestService } from "../../../actors/ingest/ingest_service.ts";
import type { IngestOptions } from "../../../actors/ingest/ingest_state.ts";
import { createPreparer, type Preparer } from "../../../actors/ingest/preparing/preparer.ts";
import type { SharedJobs } from "../../../actors/ingest/sharing/shared_jobs.ts";
import { openLanceDb } from "../../../actors/vector_store/lancedb.ts";
import type { ChunkRow, LexicalIndex, VectorStore } from "../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { seededRandom } from "../../../runtime/random.ts";
import type { ChildLimits } from "../../../supervisor/child.ts";
import { createSupervisor } from "../../../supervisor/supervisor.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";

export const signal: AbortSignal = new AbortController().signal;

export const LIMITS = {
  maxTextCharacters: 1_000_000,
  maxArchiveEntries: 100,
  maxUnpackedBytes: 10_000_000,
  maxPages: 50,
} as const;

const CHILD_LIMITS: ChildLimits = {
  mailboxCapacity: 100,
  maxInFlight: 64,
  restartIntensity: 5,
  restartPeriodMs: 30_000,
  windowMs: 10_000,
  minCalls: 20,
  maxFailureRatio: 1,
  slowCallMs: 600_000,
  maxSlowRatio: 1,
  backoffMs: 500,
  maxBackoffMs: 30_000,
  probeTimeoutMs: 2000,
  probeIntervalMs: 0,
  maxFailedProbes: 3,
  startTimeoutMs: 60_000,
  stopGraceMs: 60_000,
  stopLimitMs: 60_000,
};

export interface IngestParts {
  readonly folder: string;
  readonly documents: DocumentStore;
  readonly vectors: VectorStore & LexicalIndex;
  readonly catalog: Catalog;
  readonly preparer: Preparer;
  readonly ingest: IngestService;
  /** Time of the actor alone: threads and stores live in real time. */
  readonly clock: ManualClock;
  /** Index versions that were made known, by collection. */
  readonly changes: { readonly collection: string; readonly indexVersion: number }[];
  /** Jobs that were told of as finished, with how. */
  readonly ended: readonly string[];
  /** Waits until the job has ended, moving the actor's clock on where it waits for time to pass. */
  finished(jobId: string): Promise<JobRecord>;
  /** Every row of the collection in the vector store. */
  rows(collection: string): Promise<ChunkRow[]>;
  close(): Promise<void>;
}

/** Real stores, threads and model around a supervised ingest actor, in a folder of its own or the one given. */
export async function openIngest(
  differs: {
    readonly folder?: string;
    readonly wrapVectors?: (store: VectorStore & LexicalIndex) => VectorStore & LexicalIndex;
    readonly options?: Partial<IngestOptions>;
    /** @default no other process has the stores */
    readonly makeShared?: (documents: DocumentStore) => SharedJobs;
    readonly parseTimeoutMs?: number;
  } = {},
): Promise<IngestParts> {
  const folder = differs.folder ?? mkdtempSync(join(tmpdir(), "kennel-ingest-"));
  const [real, clock, random] = [systemClock(), manualClock(), seededRandom(7)];
  const logger = createLogger({ level: "silent", node: "test" });
  const path = join(folder, "kennel.db");
  const documents = await openLibsqlDocumentStore({
    path,
    callTimeoutMs: 60_000,
    busyTimeoutMs: 1000,
    maxQueue: 1000,
    maxPages: 0,
    clock: real,
  });
  const lance = await openLanceDb({
    directory: join(folder, "vectors"),
    maxOpenTables: 16,
    minVectorIndexRows: 20_000,
    retentionMs: 60_000,
    clock: real,
  });
  const vectors = differs.wrapVectors?.(lance) ?? lance;
  const model = await loadStaticModel();
  const catalog = await openCatalog(
    {
      store: documents,
      maxCollections: 100,
      maxAliases: 100,
      onChange: () => {},
      indexes: { drop: (record, inner) => ingest.dropIndex(record, inner) },
    },
    signal,
  );
  const preparer = createPreparer({
    limits: LIMITS,
    maxThreads: 1,
    parseTimeoutMs: differs.parseTimeoutMs ?? 60_000,
    modelInThreads: model.name,
    clock: real,
  });
  const changes: { collection: string; indexVersion: number }[] = [];
  const ended: string[] = [];
  const options: IngestOptions = {
    documents,
    vectors,
    catalog,
    preparer,
    modelOf: () => model,
    onIndexChanged: (collection, indexVersion) => void changes.push({ collection, indexVersion }),
    compare: () => ({ step: async () => false, result: () => null }),
    metrics: {
      documents: () => {},
      chunks: () => {},
      openJobs: () => {},
      jobFinished: (job) => void ended.push(`${job.id} ${job.status}`),
      step: () => {},
    },
    limits: { batchDocuments: 16, batchBytes: 1_000_000, minRowsToOptimize: 1000 },
    accept: { maxDocuments: 1000, maxDocumentBytes: 1_000_000, maxIdLength: 512 },
    maxOpenJobs: 100,
    maxAcceptingBytes: 100_000_000,
    maxParallel: 2,
    foreign: null,
    shared: differs.makeShared?.(documents) ?? null,
    clock,
    random,
    logger,
    ...differs.options,
  };
  const supervisor = createSupervisor({ name: "test", clock, random, logger });
  const actor = supervisor.spawn({ name: "ingest", kind: "ingest", limits: CHILD_LIMITS, behavior: () => ingestBehavior(options) });
  const ingest = ingestService(actor, options, 600_000);
  return {
    folder,
    documents,
    vectors,
    catalog,
    preparer,
    ingest,
    clock,
    changes,
    ended,
    async finished(jobId) {
      for (;;) {
        const job = await documents.getJob(jobId, signal);
        if (job === null) throw new Error(`There is no job ${jobId}`);
        if (job.finishedAtMs !== null) return job;
        await clock.advance(10);
      }
    },
    async rows(collection) {
      const rows: ChunkRow[] = [];
      const { record } = catalog.require(collection);
      for await (const page of vectors.scan({ collection, version: record.version }, 1000, signal)) rows.push(...page);
      return rows;
    },
    async close() {
      const stopped = supervisor.stop({ reason: "test ended", limitMs: 60_000 });
      await clock.advance(1);
      await stopped;
      await preparer.close();
      await lance.close();
      await documents.close();
      if (differs.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
