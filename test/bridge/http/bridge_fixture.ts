/** A bridge on a real socket, over small collaborators in memory. */
import { createHash } from "node:crypto";
import { CHAT, type ChatEvent } from "../../../actors/chat/chat.ts";
import type { Resolved } from "../../../actors/document_store/catalog.ts";
import type { AliasRecord, BuildSettings, CollectionRecord, CollectionSettings } from "../../../actors/document_store/collection_record.ts";
import type { DocumentRecord } from "../../../actors/document_store/document_record.ts";
import type { DocumentPage } from "../../../actors/document_store/document_store.ts";
import type { ReindexPlan } from "../../../actors/document_store/index_version.ts";
import type { JobRecord } from "../../../actors/document_store/job_record.ts";
import { notReplaceable } from "../../../actors/document_store/rules.ts";
import { loadStaticModel } from "../../../actors/embedding/static/static_model.ts";
import type { IncomingDocument } from "../../../actors/ingest/accept.ts";
import type { Upload } from "../../../actors/ingest/upload_folder.ts";
import type { TaskReport } from "../../../actors/janitor/upkeep_task.ts";
import { embeddingReranker } from "../../../actors/reranker/embedding.ts";
import { SEARCH_ACROSS } from "../../../actors/retriever/across/across.ts";
import { type AcrossParts, searchAcross } from "../../../actors/retriever/across/search_across.ts";
import { type EncodedAnswer, type Hit, SEARCH, type SearchRequest } from "../../../actors/retriever/search.ts";
import { Adopter } from "../../../actors/vector_store/adopter.ts";
import { bothOf, type Filter, isVisible, matches, type VisibleFilter } from "../../../actors/vector_store/filter.ts";
import type {
  CollectionCatalog,
  CollectionReindex,
  DocumentIngest,
  DocumentReader,
  FileUploads,
  FlagState,
  HttpMetrics,
  NodeStatusSource,
  RetrieverPool,
  UpkeepControl,
} from "../../../bridge/http/collaborators.ts";
import type { BridgeLimits } from "../../../bridge/http/limits.ts";
import type { BridgeParts } from "../../../bridge/http/parts.ts";
import { type Bridge, createBridge } from "../../../bridge/http/server.ts";
import type { CollectionDefaults } from "../../../bridge/schema/collections.ts";
import type { PageRequest } from "../../../bridge/schema/pages.ts";
import { FLAG_KEYS, FLAG_SETTINGS, type FlagKey, flagName } from "../../../config/flags.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { type HttpListener, startHttpListener } from "../../../runtime/http_listener.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { NO_AUDIT } from "../../../telemetry/audit/audit_log.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { localTransport } from "../../../transport/local.ts";

export const TEST_LIMITS: BridgeLimits = {
  maxInFlight: 64,
  maxBufferedBytes: 8_388_608,
  maxDocumentsBodyBytes: 1_048_576,
  maxBodyBytes: 262_144,
  maxDocuments: 1_000,
  defaultTimeoutMs: 10_000,
  defaultWriteTimeoutMs: 60_000,
  maxTimeoutMs: 300_000,
};

const TEST_DEFAULTS: CollectionDefaults = {
  language: "english",
  embedding: "static-minilm-256",
  chunking: { maxTokens: 200, overlapTokens: 30, parentTokens: 800 },
  fusion: { type: "weighted", alpha: 0.3 },
  pinned: false,
  resident: "auto",
  replicas: 1,
  pool: 1,
  ttlSeconds: null,
  allowDegraded: true,
  shareAnswers: false,
};

const NOW_MS = Date.UTC(2026, 0, 5);

/** Collections, documents and jobs in memory: enough to see what the bridge hands over and what it makes of answers. */
class MemoryNode
  implements CollectionCatalog, DocumentReader, DocumentIngest, CollectionReindex, RetrieverPool, HttpMetrics, NodeStatusSource
{
  readonly collections = new Map<string, CollectionRecord>();
  readonly aliasRecords = new Map<string, AliasRecord>();
  readonly stored = new Map<string, Map<string, IncomingDocument>>();
  readonly jobs = new Map<string, JobRecord>();
  readonly warmed: string[] = [];
  readonly searches: SearchRequest[] = [];
  readonly observed: { route: string; method: string; status: number; durationMs: number }[] = [];
  readiness: "ok" | "starting" | "draining" = "ok";
  /** What a search does; replaced by tests that need a slow or a failing one. */
  answerSearch: (request: SearchRequest, signal: AbortSignal) => Promise<EncodedAnswer> = async (request) => encoded(this.#hits(request));

  resolve(nameOrAlias: string): Resolved | null {
    const alias = this.aliasRecords.get(nameOrAlias);
    const record = this.collections.get(alias?.collection ?? nameOrAlias);
    return record === undefined ? null : { record, version: record.version };
  }

  list(page: PageRequest) {
    return pageOf([...this.collections.values()], ({ name }) => name, page);
  }

  aliases(): readonly AliasRecord[] {
    return [...this.aliasRecords.values()];
  }

  async put(name: string, settings: CollectionSettings) {
    const known = this.collections.get(name);
    if (known !== undefined) {
      if (known.settings.embedding !== settings.embedding)
        throw kennelError("conflict", { param: "embedding", message: "Cannot change embedding" });
      const record = { ...known, settings };
      this.collections.set(name, record);
      return { record, outcome: "changed" as const };
    }
    const record: CollectionRecord = {
      name,
      settings,
      attributes: settings.attributes,
      version: 1,
      versions: [],
      indexVersion: 0,
      documents: 0,
      chunks: 0,
      createdAtMs: NOW_MS,
      updatedAtMs: NOW_MS,
    };
    this.collections.set(name, record);
    this.stored.set(name, new Map());
    return { record, outcome: "created" as const };
  }

  async delete(name: string): Promise<boolean> {
    return this.collections.delete(name);
  }

  async putAlias(alias: AliasRecord): Promise<void> {
    if (!this.collections.has(alias.collection)) throw kennelError("not_found", { param: "collection" });
    this.aliasRecords.set(alias.alias, alias);
  }

  async deleteAlias(alias: string): Promise<boolean> {
    return this.aliasRecords.delete(alias);
  }

  async getDocument(collection: string, id: string): Promise<DocumentRecord | null> {
    const document = this.stored.get(collection)?.get(id);
    return document === undefined ? null : recordOf(document);
  }

  async listDocuments(collection: string, page: DocumentPage) {
    const { visible } = page;
    const documents = [...(this.stored.get(collection)?.values() ?? [])].filter(
      ({ principals }) => visible === undefined || isVisible(visible, principals),
    );
    const { items, next } = pageOf(documents, ({ id }) => id, page);
    return { items: items.map((document) => withoutText(recordOf(document))), next };
  }

  async getJob(jobId: string): Promise<JobRecord | null> {
    return this.jobs.get(jobId) ?? null;
  }

  async accept(
    collection: string,
    documents: readonly IncomingDocument[],
    _signal?: AbortSignal,
    replaceable: VisibleFilter | null = null,
  ): Promise<JobRecord> {
    const store = this.stored.get(collection);
    for (const [place, { id }] of documents.entries()) {
      const known = store?.get(id);
      if (known !== undefined && replaceable !== null && !isVisible(replaceable, known.principals)) throw notReplaceable(place);
    }
    for (const document of documents) store?.set(document.id, document);
    const job: JobRecord = {
      id: `job_${this.jobs.size + 1}`,
      collection,
      kind: "ingest",
      status: "queued",
      counts: { total: documents.length, indexed: 0, unchanged: 0, skipped: 0, failed: 0, chunks: 0 },
      failures: [],
      indexVersion: null,
      outcome: null,
      createdAtMs: NOW_MS,
      startedAtMs: null,
      finishedAtMs: null,
    };
    this.jobs.set(job.id, job);
    return job;
  }

  async reindex(collection: string, build: BuildSettings, _signal?: AbortSignal, _plan?: ReindexPlan): Promise<JobRecord> {
    const job: JobRecord = { ...(await this.accept(collection, [])), kind: "reindex" };
    const record = this.collections.get(collection);
    if (record === undefined) return job;
    const { version, settings } = record;
    const { language, embedding, chunking } = settings;
    const left = { kind: "standby", version, build: { language, embedding, chunking }, jobId: job.id, wasActive: true } as const;
    this.collections.set(collection, {
      ...record,
      settings: { ...settings, ...build },
      version: version + 1,
      versions: [{ ...left, keepUntilMs: null }],
    });
    return job;
  }

  async switchVersion(collection: string, version: number | null, keepUntilMs: number | null): Promise<CollectionRecord> {
    const record = this.collections.get(collection);
    const next = record?.versions.find((other) => other.kind === "standby" && other.version === (version ?? other.version));
    if (record === undefined || next?.kind !== "standby")
      throw kennelError("conflict", { param: "version", message: "Nothing is kept up" });
    const { jobId } = next;
    const { language, embedding, chunking } = record.settings;
    const left = { kind: "standby", version: record.version, build: { language, embedding, chunking }, jobId, wasActive: true } as const;
    const switched: CollectionRecord = {
      ...record,
      settings: { ...record.settings, ...next.build },
      version: next.version,
      versions: [{ ...left, keepUntilMs }],
    };
    this.collections.set(collection, switched);
    return switched;
  }

  async retireVersion(): Promise<boolean> {
    return true;
  }

  async dropVersion(collection: string, version: number): Promise<boolean> {
    const record = this.collections.get(collection);
    if (record === undefined) return false;
    this.collections.set(collection, { ...record, versions: record.versions.filter((other) => other.version !== version) });
    return true;
  }

  async deleteDocuments(
    collection: string,
    ids: readonly string[],
    _signal?: AbortSignal,
    visible: VisibleFilter | null = null,
  ): Promise<number> {
    const store = this.stored.get(collection);
    const seen = ids.filter((id) => visible === null || isVisible(visible, store?.get(id)?.principals ?? []));
    return seen.filter((id) => store?.delete(id)).length;
  }

  async deleteMatching(collection: string, given: Filter, signal?: AbortSignal, visible: VisibleFilter | null = null): Promise<number> {
    const filter = bothOf(given, visible) ?? given;
    const documents = [...(this.stored.get(collection)?.values() ?? [])].filter(({ attributes, principals }) =>
      matches(filter, attributes, principals),
    );
    return this.deleteDocuments(
      collection,
      documents.map(({ id }) => id),
      signal,
      visible,
    );
  }

  async cancel(jobId: string): Promise<boolean> {
    const job = this.jobs.get(jobId);
    if (job === undefined || job.status !== "queued") return false;
    this.jobs.set(jobId, { ...job, status: "cancelled", finishedAtMs: NOW_MS });
    return true;
  }

  async warm(collection: string): Promise<void> {
    this.warmed.push(collection);
  }

  async refresh(collection: string): Promise<void> {
    this.warmed.push(`${collection} again`);
  }

  answered(request: { route: string; method: string; status: number; durationMs: number }): void {
    this.observed.push(request);
  }

  inFlight(): void {}

  read(): object {
    return { node: "test", version: "0.0.0", mode: "full", uptime_s: 1, children: [] };
  }

  #hits(request: SearchRequest): readonly Hit[] {
    const collection = this.aliasRecords.get(request.collection)?.collection ?? request.collection;
    const found = [...(this.stored.get(collection)?.values() ?? [])].filter(
      ({ attributes, principals }) => request.filter === null || matches(request.filter, attributes, principals),
    );
    return found.slice(0, request.topK).map(({ id, title, url }) => ({
      id: `${id}#0`,
      document_id: id,
      parent_id: null,
      title,
      url,
      score: 0.5,
      score_type: "weighted",
    }));
  }
}

export function encoded(hits: readonly Hit[]): EncodedAnswer {
  return {
    hits: new TextEncoder().encode(JSON.stringify(hits)),
    rest: {
      mode: "full",
      degradations: [],
      timings_ms: { total: 1 },
      cache: "miss",
      index_version: 1,
      freshness: { index: "store", age_ms: 0 },
    },
  };
}

function pageOf<Item>(items: readonly Item[], keyOf: (item: Item) => string, { after, limit }: PageRequest) {
  const rest = items.filter((item) => after === null || keyOf(item) > after).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return { items: page, next: rest.length > limit && last !== undefined ? keyOf(last) : null };
}

function recordOf(document: IncomingDocument): DocumentRecord {
  const { source, vector: _vector, ...rest } = document;
  const text = source.kind === "text" ? source.text : Buffer.from(source.bytes).toString("utf8");
  return {
    ...rest,
    text,
    contentHash: createHash("sha256").update(text).digest("hex"),
    state: "pending",
    failure: null,
    chunks: 0,
    createdAtMs: NOW_MS,
    updatedAtMs: NOW_MS,
  };
}

function withoutText({ text: _text, ...rest }: DocumentRecord): Omit<DocumentRecord, "text"> {
  return rest;
}

/** One file that is there from the beginning, as the document of the interface has it in its examples. */
function memoryUploads(): FileUploads {
  const known: Upload = {
    id: "file-5f2c1a5f2c1a5f2c1a5f2c1a",
    fileName: "guide.md",
    mediaType: "text/markdown",
    purpose: "assistants",
    bytes: 7,
    createdAtMs: NOW_MS,
    audience: "*",
    owner: null,
  };
  const uploads = new Map([[known.id, known]]);
  return {
    list: () => [...uploads.values()],
    get: (id) => uploads.get(id) ?? null,
    content: async (id) => (uploads.has(id) ? new TextEncoder().encode("# Guide") : null),
    put: async (file, content) => ({ ...known, ...file, bytes: content.length }),
    delete: async (id) => uploads.delete(id),
  };
}

/** One task, as the document of the interface has it in its examples. */
function memoryUpkeep(): UpkeepControl {
  let report: TaskReport = {
    task: "optimize_indexes",
    is_paused: false,
    is_running: false,
    runs: 0,
    failures: 0,
    last_run_at: null,
    last_duration_ms: 0,
    last_count: 0,
    total: 0,
    last_error: null,
    next_run_at: "2026-01-05T09:46:02.000Z",
  };
  const order = async (task: string, change: Partial<TaskReport>) => {
    if (task !== report.task) throw kennelError("not_found", { param: "task" });
    report = { ...report, ...change };
    return report;
  };
  return {
    list: () => [report],
    pause: (task) => order(task, { is_paused: true, next_run_at: null }),
    resume: (task) => order(task, { is_paused: false }),
    run: (task) => order(task, { runs: report.runs + 1 }),
    usage: (limit) => [{ collection: "docs", searches: limit, firstAtMs: NOW_MS, lastAtMs: NOW_MS, days: [["2026-01-05", limit]] }],
  };
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly node: MemoryNode;
  readonly bridge: Bridge;
  readonly listener: HttpListener;
  stop(): Promise<void>;
}

const flagState = (key: FlagKey): FlagState => ({
  flag: flagName(key),
  enabled: true,
  default: true,
  source: "settings",
  reason: null,
  since: null,
  node: null,
  description: FLAG_SETTINGS[key].description,
});

export async function startTestServer(changes: Partial<BridgeParts> = {}): Promise<TestServer> {
  const node = new MemoryNode();
  const clock = changes.clock ?? systemClock();
  const transport = localTransport(clock);
  transport.serve(SEARCH, (request, _headers, signal) => {
    node.searches.push(request);
    return node.answerSearch(request, signal);
  });
  transport.serve(SEARCH_ACROSS, (request, headers, signal) => {
    const search: AcrossParts["search"] = (one, own, within) => transport.request(SEARCH, one, own, within);
    return searchAcross({ clock: systemClock(), search }, request, headers, signal);
  });
  const embedding = await loadStaticModel();
  transport.serveStream(CHAT, async function* (): AsyncGenerator<ChatEvent> {
    yield { kind: "start", mode: "full", degradations: [] };
    yield { kind: "text", text: "Warm." };
    yield { kind: "end", reason: "stop", usage: { promptTokens: 1, answerTokens: 1 } };
  });
  const bridge = createBridge({
    transport,
    streams: transport,
    catalog: node,
    documents: node,
    ingest: node,
    registry: node,
    adoption: new Adopter(null, embedding, 1_000),
    embedding,
    uploads: memoryUploads(),
    urls: {
      maxUrls: 4,
      fetchAll: async (documents) => documents.map(() => ({ fileName: "", mediaType: "text/plain", bytes: new Uint8Array(1) })),
    },
    reranker: embeddingReranker(embedding),
    status: node,
    modes: { force: async (mode) => ({ mode: mode ?? "full", forced_mode: mode }) },
    upkeep: memoryUpkeep(),
    flags: {
      list: () => FLAG_KEYS.map(flagState),
      switchFlag: async (key, enabled, reason, source) => ({ ...flagState(key), enabled, source, reason }),
      resetFlag: async (key) => flagState(key),
    },
    metrics: node,
    exposition: { contentType: "text/plain; version=0.0.4; charset=utf-8", render: async () => "kennel_up 1\n" },
    page: null,
    keys: null,
    keyLimits: { ratePerSecond: 0, burst: 0, maxConcurrent: 0 },
    accessMetrics: { refused: () => undefined, limited: () => undefined },
    audit: NO_AUDIT,
    hosts: { hostNames: null, takesAddresses: true },
    logger: createLogger({ level: "silent", node: "test" }),
    clock,
    random: seededRandom(7),
    limits: TEST_LIMITS,
    reindex: { margin: 0.01, minOverlap: 0.5, compareQueries: 100, keepMs: 3_600_000 },
    defaults: TEST_DEFAULTS,
    choices: { languages: ["none", "english", "german"], embeddings: ["static-minilm-256", "other"], vectorIndexes: ["hnsw", "flat"] },
    corsOrigins: ["https://app.example.com"],
    version: "0.0.0",
    ...changes,
  });
  const listener = await startHttpListener(
    {
      host: "127.0.0.1",
      port: 0,
      maxConnections: 256,
      maxHeaderBytes: 16_384,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 60_000,
      keepAliveTimeoutMs: 5_000,
    },
    bridge.answer,
    systemClock(),
  );
  return {
    url: `http://127.0.0.1:${listener.port}`,
    port: listener.port,
    node,
    bridge,
    listener,
    stop: async () => {
      await listener.stop(1_000);
    },
  };
}
