import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Tracer } from "../../telemetry/tracing.ts";
import type { Catalog } from "../document_store/catalog.ts";
import type { CollectionRecord } from "../document_store/collection_record.ts";
import type { SourceDocument } from "../document_store/document_record.ts";
import type { DocumentStore } from "../document_store/document_store.ts";
import type { EmbeddingModel } from "../embedding/embedding.ts";
import type { Adoption } from "../vector_store/adoption.ts";
import type { Filter, VisibleFilter } from "../vector_store/filter.ts";
import type { IndexName, VectorStore } from "../vector_store/vector_store.ts";
import { failUnfit } from "./adopted_writes.ts";
import { type BatchLimits, cutBatches } from "./batches.ts";
import type { BuildComparer } from "./comparing.ts";
import { type Build, buildingOf, buildsOf, fitting, IndexBuilds, toRows } from "./index_builds.ts";
import { countOutcomes, type IngestMetrics, noteFinished, outcomesOf, timed } from "./ingest_metrics.ts";
import { Orphans } from "./orphans.ts";
import type { PreparedDocument, Preparer } from "./preparing/preparer.ts";
import { Reindexing } from "./reindexing.ts";
import { StandbyBuilds } from "./standby_builds.ts";

// Invariants:
//   I1. Chunks are in the document store before the vector store has their rows; a document is marked done after both.
//   I2. Doing a batch again gives the same rows: a crash anywhere costs one batch done twice, never half of one.
//   I3. One thing at a time changes a collection; the ingest actor sees to it.
//   I4. While a build is made or kept up beside the active one, every change goes to both.
//   I5. A build that is kept up holds nothing up: one that cannot take a change that the active one has taken is retired.

export interface IndexingLimits extends BatchLimits {
  /** Rows changed since the index was last optimised that make a job do so before it is completed. */
  readonly minRowsToOptimize: number;
}

export interface IndexingParts {
  readonly documents: DocumentStore;
  readonly vectors: VectorStore;
  readonly catalog: Pick<Catalog, "resolve" | "refresh" | "aliases">;
  readonly preparer: Preparer;
  /** The model of a collection's settings; throws `unavailable` for one that this node has not. */
  readonly modelOf: (name: string) => EmbeddingModel;
  /** What a search can find has changed. */
  readonly onIndexChanged: (collection: string, indexVersion: number) => void;
  /** Makes the job that builds a collection's lost index anew; returns once it is on disk and the view shows it. */
  readonly beginRepair: (record: CollectionRecord, signal: AbortSignal) => Promise<void>;
  readonly compare: BuildComparer;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  readonly limits: IndexingLimits;
  readonly clock: Clock;
  /** @default none: nothing is traced */
  readonly tracer?: Tracer;
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

/** A batch, prepared for the active build and, while there is one, for the one beside it. */
interface PreparedBatch {
  readonly active: readonly PreparedDocument[];
  readonly next: readonly PreparedDocument[] | null;
}

/** What the work on collections is made of. Each method may be repeated after a failure at any point. */
export class Indexing {
  readonly #parts: IndexingParts;
  readonly #builds: IndexBuilds;
  readonly #reindexing: Reindexing;
  readonly standby: StandbyBuilds;
  readonly orphans: Orphans;
  /** Rows changed since the index was last optimised. */
  readonly #changedRows = new Map<string, number>();

  constructor(parts: IndexingParts) {
    this.#parts = parts;
    this.#builds = new IndexBuilds(parts);
    this.#reindexing = new Reindexing(parts, this.#builds);
    this.standby = new StandbyBuilds(parts, this.#builds);
    this.orphans = new Orphans(parts, this.#builds);
  }

  /** Collections whose index would gain from being optimised, those that have changed most first. */
  get changedCollections(): string[] {
    return [...this.#changedRows].sort(([, left], [, right]) => (left === right ? 0 : right - left)).map(([name]) => name);
  }

  /** Takes a collection for changed as a whole: what an earlier process has written to its index, and left to optimise, is not known. */
  noteUnknown(collection: string): void {
    this.#noteChanged(collection, Number.POSITIVE_INFINITY);
  }

  /**
   * Indexes the next few batches of a job, or builds the next few pages of a reindex, and finishes it after the last. `shouldStop` is asked between batches.
   * Rejects with `not_found` when the job or its collection is gone.
   */
  async runRound(
    jobId: string,
    collection: string,
    shouldStop: () => boolean,
    signal: AbortSignal,
  ): Promise<{ readonly isFinished: boolean }> {
    const { documents, limits } = this.#parts;
    const record = await this.#fresh(collection, signal);
    const building = buildingOf(record);
    if (building?.jobId === jobId) return this.#reindexing.runRound(record, building, shouldStop, signal);
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
    const ready = await this.#ready(record, signal);
    const batches = cutBatches(pending, limits);
    let next: Promise<PreparedBatch> | null = null;
    try {
      for (const [place, batch] of batches.entries()) {
        if (shouldStop()) break;
        const prepared: PreparedBatch = await (next ?? this.#prepare(ready, batch, signal));
        const following = batches[place + 1];
        next = following === undefined ? null : this.#prepare(ready, following, signal);
        next?.catch(() => {}); // it is awaited in the next turn, unless this one fails first
        await this.#index(jobId, ready, prepared, signal);
      }
    } finally {
      await next?.catch(() => {}); // I3: nothing of this round goes on after it
    }
    return { isFinished: false };
  }

  /**
   * Removes documents from both stores. Documents that a crash or an outage leaves between them are found by `finishRemovals`.
   * @param visible others stay
   */
  async removeDocuments(
    collection: string,
    ids: readonly string[],
    signal: AbortSignal,
    visible: VisibleFilter | null = null,
  ): Promise<number> {
    let removed = 0;
    for (let from = 0; from < ids.length; from += REMOVAL_PAGE) {
      const page = ids.slice(from, from + REMOVAL_PAGE);
      const marked = await this.#parts.documents.markDeleting(collection, page, signal, visible);
      // Of what it has adopted a collection has rows, too, that no document here stands for.
      const isAdopted = this.#parts.catalog.resolve(collection)?.record.settings.adopt !== undefined;
      await this.#dropMarked(collection, marked, signal, isAdopted ? page : marked);
      removed += marked.length;
    }
    return removed;
  }

  async removeMatching(collection: string, filter: Filter, signal: AbortSignal, visible: VisibleFilter | null = null): Promise<number> {
    const find = async (after: string | null) =>
      this.#parts.documents.matchDocuments(collection, filter, { after, limit: REMOVAL_PAGE }, signal);
    let removed = 0;
    for (let page = await find(null); ; page = await find(page.next)) {
      removed += await this.removeDocuments(collection, page.items, signal, visible);
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

  /** Drops the indexes of all builds. */
  async dropIndex(record: CollectionRecord, signal: AbortSignal): Promise<void> {
    this.#changedRows.delete(record.name);
    await this.#builds.dropAll(record, signal);
  }

  /**
   * Begins to build the index anew where the vector store has lost it, or rows of it. Fewer rows are no loss while a job
   * is open, which may be between the stores. True: a repair has begun.
   */
  async repairIfIncomplete(collection: string, signal: AbortSignal): Promise<boolean> {
    const record = await this.#fresh(collection, signal);
    // An adopted index is its owner's to mend, and holds what Kennel has no documents of.
    if (record.chunks === 0 || buildingOf(record) !== null || record.settings.adopt !== undefined) return false;
    const rows = await this.#builds.countRows(indexOf(record), signal);
    if (rows !== null && rows >= record.chunks) {
      this.#noteChanged(collection, 0); // a process before this one may have left rows to take in, and files of writes that died
      return false;
    }
    const open = await this.#parts.documents.openJobs(signal);
    if (rows !== null && open.some((job) => job.collection === collection)) return false;
    this.#builds.forget(collection);
    await this.#parts.beginRepair(record, signal);
    return true;
  }

  async optimize(collection: string, signal: AbortSignal): Promise<void> {
    const record = this.#parts.catalog.resolve(collection)?.record;
    const changed = this.#changedRows.get(collection);
    if (record === undefined) {
      this.#changedRows.delete(collection);
      return;
    }
    await timed(this.#parts, "optimize", () => this.#parts.vectors.optimize(indexOf(record), signal));
    if (this.#changedRows.get(collection) === changed) this.#changedRows.delete(collection);
  }

  /** The first half of a batch: parsed, chunked, embedded, and its chunks in the document store. */
  async #prepare(record: CollectionRecord, batch: readonly SourceDocument[], signal: AbortSignal): Promise<PreparedBatch> {
    const { active, next } = buildsOf(record);
    const { adopt } = record.settings;
    const prepared = await this.#prepareFor(record.name, active, batch, adopt ?? null, signal);
    if (next === null) return { active: prepared, next: null };
    return {
      active: prepared,
      next: await this.standby.unlessGivenUp(record, () => this.#prepareFor(record.name, next, batch, null, signal), signal),
    };
  }

  async #prepareFor(
    collection: string,
    { version, settings }: Build,
    batch: readonly SourceDocument[],
    adoption: Adoption | null,
    signal: AbortSignal,
  ): Promise<readonly PreparedDocument[]> {
    const { preparer, documents, modelOf } = this.#parts;
    const model = modelOf(settings.embedding);
    const fit = batch.map((document) => fitting(document, model.dimensions));
    const cut = await timed(this.#parts, "prepare", () => preparer.prepare(fit, settings.chunking, model, signal));
    const prepared = adoption === null ? cut : failUnfit(cut, adoption);
    const parsed = prepared.map((document) => document.parsed);
    await timed(this.#parts, "store", () => documents.putChunks(collection, version, parsed, signal));
    return prepared;
  }

  /** The second half (I1, I4). */
  async #index(jobId: string, record: CollectionRecord, prepared: PreparedBatch, signal: AbortSignal): Promise<void> {
    const { documents, metrics, clock } = this.#parts;
    const { active, next } = buildsOf(record);
    const nowMs = clock.wallMs();
    const parsed = prepared.active.map((document) => document.parsed);
    const ids = parsed.map((document) => document.id);
    const write = (version: number, of: readonly PreparedDocument[]) => {
      const rows = of.flatMap((document) => toRows(document, nowMs));
      return timed(this.#parts, "index", () => this.#builds.replace({ collection: record.name, version }, ids, rows, signal));
    };
    await write(active.version, prepared.active);
    const beside = prepared.next;
    if (next !== null && beside !== null) await this.standby.unlessGivenUp(record, () => write(next.version, beside), signal);
    const outcomes = outcomesOf(parsed);
    this.#noteChanged(record.name, Math.max(outcomes.chunks, 1));
    const indexVersion = await timed(this.#parts, "store", () => documents.markIndexed(jobId, record.name, parsed, signal));
    countOutcomes(metrics, outcomes);
    await this.#changed(record.name, indexVersion, signal);
  }

  async #finish(jobId: string, collection: string, signal: AbortSignal): Promise<void> {
    const { documents, metrics } = this.#parts;
    if (this.#isWorthOptimizing(collection)) await this.optimize(collection, signal);
    const job = await documents.finishJob(jobId, "completed", null, signal);
    metrics.documents("unchanged", job.counts.unchanged);
    noteFinished(metrics, job);
    await this.#parts.catalog.refresh(collection, signal);
  }

  /** Also where what has changed is little but a large part: the store ranks rows that its index lacks by rougher counts. */
  #isWorthOptimizing(collection: string): boolean {
    const changed = this.#changedRows.get(collection) ?? 0;
    const all = this.#parts.catalog.resolve(collection)?.record.chunks ?? 0;
    return changed > 0 && changed >= Math.min(this.#parts.limits.minRowsToOptimize, all * MAX_UNINDEXED_SHARE);
  }

  async #dropMarked(collection: string, ids: readonly string[], signal: AbortSignal, ofIndex = ids): Promise<void> {
    if (ofIndex.length === 0) return;
    const { documents, metrics } = this.#parts;
    const record = await this.#ready(await this.#fresh(collection, signal), signal);
    await timed(this.#parts, "index", () => this.#builds.remove(record, ofIndex, signal));
    if (ids.length === 0) return;
    this.#noteChanged(collection, ids.length);
    const indexVersion = await documents.removeDocuments(collection, ids, signal);
    metrics.documents("deleted", ids.length);
    await this.#changed(collection, indexVersion, signal);
  }

  async #changed(collection: string, indexVersion: number, signal: AbortSignal): Promise<void> {
    await this.#parts.catalog.refresh(collection, signal);
    this.#parts.onIndexChanged(collection, indexVersion);
  }

  /** The indexes that writes go to are there; one that was lost is being built anew before anything is written in its place. */
  async #ready(record: CollectionRecord, signal: AbortSignal): Promise<CollectionRecord> {
    let ready = record;
    if (buildingOf(record) === null && (await this.#builds.isMissing(record, signal))) {
      await this.#parts.beginRepair(record, signal);
      ready = await this.#fresh(record.name, signal);
    }
    const { active, next } = buildsOf(ready);
    await this.#builds.ensure(ready, active, signal);
    if (next === null) return ready;
    const isReady = await this.standby.unlessGivenUp(ready, () => this.standby.ready(ready, next, signal), signal);
    return isReady === null ? this.#fresh(ready.name, signal) : ready;
  }

  /** As the store has it now: what builds there are decides where writes go. */
  async #fresh(collection: string, signal: AbortSignal): Promise<CollectionRecord> {
    const record = await this.#parts.catalog.refresh(collection, signal);
    if (record === null) throw kennelError("not_found", { param: "collection", message: `There is no collection "${collection}"` });
    return record;
  }

  #noteChanged(collection: string, rows: number): void {
    this.#changedRows.set(collection, (this.#changedRows.get(collection) ?? 0) + rows);
  }
}

function indexOf(record: CollectionRecord): IndexName {
  return { collection: record.name, version: record.version };
}
