import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Catalog } from "../document_store/catalog.ts";
import type { CollectionRecord, DocumentStore, ParsedDocument, SourceDocument } from "../document_store/document_store.ts";
import type { EmbeddingModel } from "../embedding/embedding.ts";
import type { AttributeSchema, Filter } from "../vector_store/filter.ts";
import type { ChunkRow, IndexName, VectorStore } from "../vector_store/vector_store.ts";
import type { PreparedDocument, Preparer } from "./preparing/preparer.ts";

// Invariants:
//   I1. Chunks are in the document store before the vector store has their rows; a document is marked done after both.
//   I2. Doing a batch again gives the same rows: a crash anywhere costs one batch done twice, never half of one.
//   I3. One thing at a time changes a collection; the ingest actor sees to it.

export interface IngestMetrics {
  documents(outcome: "indexed" | "unchanged" | "skipped" | "failed" | "deleted", count: number): void;
  chunks(count: number): void;
  jobFinished(status: string, durationMs: number): void;
  /** `prepare` (parse, chunk, embed), `store`, `index`, `optimize`. */
  step(step: string, durationMs: number): void;
}

export interface IndexingLimits {
  readonly batchDocuments: number;
  readonly batchBytes: number;
  /** Rows changed since the index was last optimised that make a job do so before it is completed. */
  readonly minRowsToOptimize: number;
}

export interface IndexingParts {
  readonly documents: DocumentStore;
  readonly vectors: VectorStore;
  readonly catalog: Pick<Catalog, "resolve" | "refresh">;
  readonly preparer: Preparer;
  /** The model of a collection's settings; throws `unavailable` for one that this node has not. */
  readonly modelOf: (name: string) => EmbeddingModel;
  /** What a search can find has changed. */
  readonly onIndexChanged: (collection: string, indexVersion: number) => void;
  readonly metrics: IngestMetrics;
  readonly limits: IndexingLimits;
  readonly clock: Clock;
}

/** Batches read at once: the next one is parsed while one is stored. */
const BATCHES_PER_ROUND = 4;
/**
 * Of a collection's rows. LanceDB 0.39 counts a word's occurrences as documents in rows that its full-text index lacks; in
 * a small collection without an index a word with more occurrences than there are rows is not found at all.
 */
const MAX_UNINDEXED_SHARE = 0.05;
/** Documents removed in one change of the vector store. */
const REMOVAL_PAGE = 500;

/** What the work on collections is made of. Each method may be repeated after a failure at any point. */
export class Indexing {
  readonly #parts: IndexingParts;
  /** Attributes that each index is known to have; bounded by the number of collections. */
  readonly #schemas = new Map<string, AttributeSchema>();
  /** Rows changed since the index was last optimised. */
  readonly #changedRows = new Map<string, number>();

  constructor(parts: IndexingParts) {
    this.#parts = parts;
  }

  /** Collections whose index would gain from being optimised. */
  get changedCollections(): string[] {
    return [...this.#changedRows.keys()];
  }

  /**
   * Indexes the next few batches of a job and finishes it after the last. `shouldStop` is asked between batches.
   * Rejects with `not_found` when the job or its collection is gone.
   */
  async runRound(
    jobId: string,
    collection: string,
    shouldStop: () => boolean,
    signal: AbortSignal,
  ): Promise<{ readonly isFinished: boolean }> {
    const { documents, limits } = this.#parts;
    await documents.startJob(jobId, signal);
    const pending = await documents.pendingDocuments(
      jobId,
      limits.batchDocuments * BATCHES_PER_ROUND,
      limits.batchBytes * BATCHES_PER_ROUND,
      signal,
    );
    if (pending.length === 0) {
      await this.#finish(jobId, collection, signal);
      return { isFinished: true };
    }
    const record = this.#require(collection);
    await this.#ensureIndex(record, signal);
    const batches = this.#cut(pending);
    let next: Promise<readonly PreparedDocument[]> | null = null;
    try {
      for (const [place, batch] of batches.entries()) {
        if (shouldStop()) break;
        const prepared: readonly PreparedDocument[] = await (next ?? this.#prepare(record, batch, signal));
        const following = batches[place + 1];
        next = following === undefined ? null : this.#prepare(record, following, signal);
        next?.catch(() => {}); // it is awaited in the next turn, unless this one fails first
        await this.#index(jobId, record, prepared, signal);
      }
    } finally {
      await next?.catch(() => {}); // I3: nothing of this round goes on after it
    }
    return { isFinished: false };
  }

  /** Removes documents from both stores. Documents that a crash or an outage leaves between them are found by `finishRemovals`. */
  async removeDocuments(collection: string, ids: readonly string[], signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (let from = 0; from < ids.length; from += REMOVAL_PAGE) {
      const marked = await this.#parts.documents.markDeleting(collection, ids.slice(from, from + REMOVAL_PAGE), signal);
      await this.#dropMarked(collection, marked, signal);
      removed += marked.length;
    }
    return removed;
  }

  async removeMatching(collection: string, filter: Filter, signal: AbortSignal): Promise<number> {
    const find = async (after: string | null) =>
      this.#parts.documents.matchDocuments(collection, filter, { after, limit: REMOVAL_PAGE }, signal);
    let removed = 0;
    for (let page = await find(null); ; page = await find(page.next)) {
      removed += await this.removeDocuments(collection, page.items, signal);
      if (page.next === null) return removed;
    }
  }

  /** Documents last changed before `beforeMs`, at most `limit` of them. */
  async removeExpired(collection: string, beforeMs: number, limit: number, signal: AbortSignal): Promise<number> {
    const ids = await this.#parts.documents.expiredDocuments(collection, beforeMs, limit, signal);
    return this.removeDocuments(collection, ids, signal);
  }

  /** Ends what `removeDocuments` began before a crash or an outage. */
  async finishRemovals(collection: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < ids.length; from += REMOVAL_PAGE) {
      await this.#dropMarked(collection, ids.slice(from, from + REMOVAL_PAGE), signal);
    }
  }

  async dropIndex(record: CollectionRecord, signal: AbortSignal): Promise<void> {
    this.#schemas.delete(record.name);
    this.#changedRows.delete(record.name);
    await this.#parts.vectors.dropIndex(indexOf(record), signal);
  }

  async optimize(collection: string, signal: AbortSignal): Promise<void> {
    const record = this.#parts.catalog.resolve(collection)?.record;
    const changed = this.#changedRows.get(collection);
    if (record === undefined) {
      this.#changedRows.delete(collection);
      return;
    }
    await this.#timed("optimize", () => this.#parts.vectors.optimize(indexOf(record), signal));
    if (this.#changedRows.get(collection) === changed) this.#changedRows.delete(collection);
  }

  /** The first half of a batch: parsed, chunked, embedded, and its chunks in the document store. */
  async #prepare(record: CollectionRecord, batch: readonly SourceDocument[], signal: AbortSignal): Promise<readonly PreparedDocument[]> {
    const { preparer, documents, modelOf } = this.#parts;
    const { chunking, embedding } = record.settings;
    const prepared = await this.#timed("prepare", () => preparer.prepare(batch, chunking, modelOf(embedding), signal));
    const parsed = prepared.map((document) => document.parsed);
    await this.#timed("store", () => documents.putChunks(record.name, record.version, parsed, signal));
    return prepared;
  }

  /** The second half (I1). */
  async #index(jobId: string, record: CollectionRecord, prepared: readonly PreparedDocument[], signal: AbortSignal): Promise<void> {
    const { documents, vectors, metrics, clock } = this.#parts;
    const parsed = prepared.map((document) => document.parsed);
    const rows = prepared.flatMap((document) => toRows(document, clock.wallMs()));
    const ids = parsed.map((document) => document.id);
    await this.#timed("index", () => vectors.replaceDocuments(indexOf(record), ids, rows, signal));
    this.#noteChanged(record.name, Math.max(rows.length, 1));
    const indexVersion = await this.#timed("store", () => documents.markIndexed(jobId, record.name, parsed, signal));
    countOutcomes(metrics, parsed);
    await this.#changed(record.name, indexVersion, signal);
  }

  async #finish(jobId: string, collection: string, signal: AbortSignal): Promise<void> {
    const { documents, metrics } = this.#parts;
    if (this.#isWorthOptimizing(collection)) await this.optimize(collection, signal);
    const job = await documents.finishJob(jobId, "completed", signal);
    metrics.documents("unchanged", job.counts.unchanged);
    metrics.jobFinished(job.status, (job.finishedAtMs ?? job.createdAtMs) - job.createdAtMs);
    await this.#parts.catalog.refresh(collection, signal);
  }

  /** Also where what has changed is little but a large part: the store ranks rows that its index lacks by rougher counts. */
  #isWorthOptimizing(collection: string): boolean {
    const changed = this.#changedRows.get(collection) ?? 0;
    const all = this.#parts.catalog.resolve(collection)?.record.chunks ?? 0;
    return changed > 0 && changed >= Math.min(this.#parts.limits.minRowsToOptimize, all * MAX_UNINDEXED_SHARE);
  }

  async #dropMarked(collection: string, ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return;
    const { documents, vectors, metrics } = this.#parts;
    const record = this.#require(collection);
    await this.#ensureIndex(record, signal);
    await this.#timed("index", () => vectors.replaceDocuments(indexOf(record), ids, [], signal));
    this.#noteChanged(collection, ids.length);
    const indexVersion = await documents.removeDocuments(collection, ids, signal);
    metrics.documents("deleted", ids.length);
    await this.#changed(collection, indexVersion, signal);
  }

  async #changed(collection: string, indexVersion: number, signal: AbortSignal): Promise<void> {
    await this.#parts.catalog.refresh(collection, signal);
    this.#parts.onIndexChanged(collection, indexVersion);
  }

  /** Makes the index and the columns that it lacks, once while nothing about them changes. */
  async #ensureIndex(record: CollectionRecord, signal: AbortSignal): Promise<void> {
    const { vectors, modelOf } = this.#parts;
    const known = this.#schemas.get(record.name);
    const isComplete = known !== undefined && Object.keys(record.attributes).every((key) => Object.hasOwn(known, key));
    if (isComplete) return;
    const { dimensions } = modelOf(record.settings.embedding);
    const schema = { dimensions, language: record.settings.language, attributes: record.attributes };
    await vectors.createIndex(indexOf(record), schema, signal);
    await vectors.extendSchema(indexOf(record), record.attributes, signal);
    this.#schemas.set(record.name, record.attributes);
  }

  #require(collection: string): CollectionRecord {
    const resolved = this.#parts.catalog.resolve(collection);
    if (resolved === null) throw kennelError("not_found", { param: "collection", message: `There is no collection "${collection}"` });
    return resolved.record;
  }

  #cut(pending: readonly SourceDocument[]): SourceDocument[][] {
    const { batchDocuments, batchBytes } = this.#parts.limits;
    const batches: SourceDocument[][] = [];
    let open: SourceDocument[] = [];
    let bytes = 0;
    for (const document of pending) {
      const size = document.source.kind === "text" ? document.source.text.length : document.source.bytes.length;
      if (open.length > 0 && (open.length >= batchDocuments || bytes + size > batchBytes)) {
        batches.push(open);
        open = [];
        bytes = 0;
      }
      open.push(document);
      bytes += size;
    }
    if (open.length > 0) batches.push(open);
    return batches;
  }

  #noteChanged(collection: string, rows: number): void {
    this.#changedRows.set(collection, (this.#changedRows.get(collection) ?? 0) + rows);
  }

  async #timed<Result>(step: string, work: () => Promise<Result>): Promise<Result> {
    const startedMs = this.#parts.clock.monotonicMs();
    const result = await work();
    this.#parts.metrics.step(step, this.#parts.clock.monotonicMs() - startedMs);
    return result;
  }
}

function indexOf(record: CollectionRecord): IndexName {
  return { collection: record.name, version: record.version };
}

function toRows({ source, parsed, vectors }: PreparedDocument, updatedAtMs: number): ChunkRow[] {
  return parsed.chunks.map((chunk, place) => ({
    id: chunk.id,
    documentId: parsed.id,
    ordinal: chunk.ordinal,
    parentId: chunk.parentId,
    title: parsed.title,
    url: source.url,
    text: chunk.text,
    indexText: chunk.indexText,
    attributes: source.attributes,
    principals: source.principals,
    vector: vectors[place] ?? null,
    updatedAtMs,
  }));
}

function countOutcomes(metrics: IngestMetrics, parsed: readonly ParsedDocument[]): void {
  const counts = { indexed: 0, skipped: 0, failed: 0 };
  let chunks = 0;
  for (const document of parsed) {
    chunks += document.chunks.length;
    counts[document.failure !== null ? "failed" : document.chunks.length === 0 ? "skipped" : "indexed"] += 1;
  }
  for (const outcome of ["indexed", "skipped", "failed"] as const) if (counts[outcome] > 0) metrics.documents(outcome, counts[outcome]);
  metrics.chunks(chunks);
}
