import { kennelError } from "../../runtime/errors.ts";
import type { ActorRef, Asks } from "../../supervisor/kernel/behavior.ts";
import { NO_TRACER } from "../../telemetry/tracing.ts";
import type { BuildSettings, CollectionRecord } from "../document_store/collection_record.ts";
import type { ReindexPlan } from "../document_store/index_version.ts";
import type { JobRecord } from "../document_store/job_record.ts";
import { bothOf, type Filter, type VisibleFilter } from "../vector_store/filter.ts";
import type { IndexName } from "../vector_store/vector_store.ts";
import { checkDocuments, type IncomingDocument } from "./accept.ts";
import { type AdoptedTarget, removeAdopted, removeAdoptedMatching } from "./adopted_removals.ts";
import { notForWhoAsks, refuseRebuild, refuseUnfit, seesNothingAdopted, writableAdoption } from "./adopted_writes.ts";
import { PLAIN_PLAN } from "./comparing.ts";
import type { Indexing } from "./indexing.ts";
import type { IngestOptions } from "./ingest_state.ts";
import { originOf } from "./job_traces.ts";
import { expandJsonLines } from "./json_lines.ts";
import type { ExclusiveMessage, IngestMessage } from "./messages.ts";

/** What others ask of ingest; every method rejects with a `KennelError`. */
export interface IngestService {
  /**
   * Resolves once the documents are on disk; they are searchable when the job has completed.
   * @param replaceable which documents that are there may be replaced, null or absent: all; another rejects with `forbidden`
   */
  accept(
    collection: string,
    documents: readonly IncomingDocument[],
    signal: AbortSignal,
    replaceable?: VisibleFilter | null,
  ): Promise<JobRecord>;
  /** From both stores. @param visible others stay; null or absent: none does. @returns how many there were */
  deleteDocuments(collection: string, ids: readonly string[], signal: AbortSignal, visible?: VisibleFilter | null): Promise<number>;
  /** @param visible as with `deleteDocuments`. @returns how many matched */
  deleteMatching(collection: string, filter: Filter, signal: AbortSignal, visible?: VisibleFilter | null): Promise<number>;
  /** False: the job was not open any more. */
  cancel(jobId: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Begins to build the collection's index anew, with these settings; what becomes of the build when it is complete, the
   * plan says: without one it takes the active one's place. Resolves once the job is on disk. Rejects with `conflict` while another is building.
   */
  reindex(collection: string, build: BuildSettings, signal: AbortSignal, plan?: ReindexPlan): Promise<JobRecord>;
  /**
   * Searches go to the build that was kept up, from now on, and the one they went to is kept up in its place, until
   * `keepUntilMs` (null: until told; 0: not at all). Rejects with `conflict` where none of this version is kept up.
   * @param version null: whichever is kept up
   */
  switchVersion(collection: string, version: number | null, keepUntilMs: number | null, signal: AbortSignal): Promise<CollectionRecord>;
  /** A build is kept up no longer. False: none of this version was. */
  retireVersion(collection: string, version: number, signal: AbortSignal): Promise<boolean>;
  /** True: the vector store has lost the index or rows of it, and a job has begun to build it anew. */
  repairIfIncomplete(collection: string, signal: AbortSignal): Promise<boolean>;
  /** Drops a build that is not searched any more. False: an alias pins it, or there is none. */
  dropVersion(collection: string, version: number, signal: AbortSignal): Promise<boolean>;
  /** Drops an index that no collection has. False: one has it. */
  dropOrphan(index: IndexName, signal: AbortSignal): Promise<boolean>;
  /** Removes rows of documents that are not known. @returns of how many documents */
  removeOrphans(collection: string, signal: AbortSignal): Promise<number>;
  /** Drops a collection's indexes after everything that runs on it has ended. */
  dropIndex(record: CollectionRecord, signal: AbortSignal): Promise<void>;
  /** At most `limit` documents last changed before `beforeMs`. @returns how many were removed */
  removeExpired(collection: string, beforeMs: number, limit: number, signal: AbortSignal): Promise<number>;
  /** Ends removals that an outage has interrupted. */
  finishRemovals(collection: string, ids: readonly string[], signal: AbortSignal): Promise<void>;
  /** Collections with rows that came or went since they were last optimised. */
  changedCollections(signal: AbortSignal): Promise<readonly string[]>;
  optimize(collection: string, signal: AbortSignal): Promise<void>;
}

/** The service before the actor: documents are checked and hashed here, on the asker's time. */
export function ingestService(actor: ActorRef<IngestMessage>, options: IngestOptions, timeoutMs: number): IngestService {
  const origin = () => originOf(options.tracer ?? NO_TRACER);
  const exclusive = <Result>(collection: string, work: (indexing: Indexing, signal: AbortSignal) => Promise<Result>, signal: AbortSignal) =>
    actor.ask<Result>({ kind: "exclusive", collection, work } as ExclusiveMessage & Asks<Result>, { timeoutMs, signal });
  const adoptedTarget = (collection: string): AdoptedTarget | null => {
    const record = options.catalog.resolve(collection)?.record;
    const adoption = record === undefined ? null : writableAdoption(record);
    if (adoption === null) return null;
    if (options.foreign === null)
      throw kennelError("unavailable", { message: "This node has no Milvus, where the adopted collection lies" });
    return { collection, adoption, foreign: options.foreign };
  };
  return {
    async accept(collection, incoming, signal, replaceable = null) {
      const record = options.catalog.resolve(collection)?.record;
      if (record === undefined) throw kennelError("not_found", { param: "collection", message: `There is no collection "${collection}"` });
      const adoption = writableAdoption(record);
      const { dimensions } = options.modelOf(record.settings.embedding);
      const expanded = await expandJsonLines(incoming, options.accept.maxDocuments);
      const { documents, inferred, bytes } = await checkDocuments(expanded, dimensions, options.accept, signal);
      if (adoption !== null) {
        refuseUnfit(documents, adoption);
        if (seesNothingAdopted(replaceable)) throw notForWhoAsks(record.name);
      }
      return actor.ask<JobRecord>(
        { kind: "accept", collection: record.name, documents, inferred, bytes, replaceable, origin: origin() },
        { timeoutMs, signal },
      );
    },
    async deleteDocuments(collection, ids, signal, visible = null) {
      const target = adoptedTarget(collection);
      if (target !== null && seesNothingAdopted(visible)) return 0;
      const remove = (indexing: Indexing, inner: AbortSignal) =>
        target === null ? indexing.removeDocuments(collection, ids, inner, visible) : removeAdopted(target, indexing, ids, inner);
      return exclusive(collection, remove, signal);
    },
    async deleteMatching(collection, given, signal, visible = null) {
      const target = adoptedTarget(collection);
      if (target !== null && seesNothingAdopted(visible)) return 0;
      const filter = bothOf(given, visible) ?? given;
      const remove = (indexing: Indexing, inner: AbortSignal) =>
        target === null
          ? indexing.removeMatching(collection, filter, inner, visible)
          : removeAdoptedMatching(target, indexing, filter, inner);
      return exclusive(collection, remove, signal);
    },
    async cancel(jobId, signal) {
      // A job that another node works on is waited for by its collection.
      const job = options.shared === null ? null : await options.documents.getJob(jobId, signal);
      return actor.ask<boolean>({ kind: "cancel", jobId, collection: job?.collection ?? null }, { timeoutMs, signal });
    },
    async reindex(collection, build, signal, plan = PLAIN_PLAN) {
      const record = options.catalog.resolve(collection)?.record;
      if (record !== undefined) refuseRebuild(record);
      options.modelOf(build.embedding); // one that is not here would fail every page
      return actor.ask<JobRecord>({ kind: "reindex", collection, build, plan, origin: origin() }, { timeoutMs, signal });
    },
    switchVersion: (collection, version, keepUntilMs, signal) =>
      exclusive(collection, (indexing, inner) => indexing.standby.switchTo(collection, version, keepUntilMs, inner), signal),
    retireVersion: (collection, version, signal) =>
      exclusive(collection, (indexing, inner) => indexing.standby.retire(collection, version, inner), signal),
    repairIfIncomplete: (collection, signal) =>
      exclusive(collection, (indexing, inner) => indexing.repairIfIncomplete(collection, inner), signal),
    dropVersion: (collection, version, signal) =>
      exclusive(collection, (indexing, inner) => indexing.standby.drop(collection, version, inner), signal),
    dropOrphan: (index, signal) => exclusive(index.collection, (indexing, inner) => indexing.orphans.dropIndex(index, inner), signal),
    removeOrphans: (collection, signal) =>
      exclusive(collection, (indexing, inner) => indexing.orphans.removeRows(collection, inner), signal),
    dropIndex: (record, signal) => exclusive(record.name, (indexing, inner) => indexing.dropIndex(record, inner), signal),
    removeExpired: (collection, beforeMs, limit, signal) =>
      exclusive(collection, (indexing, inner) => indexing.removeExpired(collection, beforeMs, limit, inner), signal),
    finishRemovals: (collection, ids, signal) =>
      exclusive(collection, (indexing, inner) => indexing.finishRemovals(collection, ids, inner), signal),
    changedCollections: (signal) => actor.ask<readonly string[]>({ kind: "changed_collections" }, { timeoutMs, signal }),
    optimize: (collection, signal) => exclusive(collection, (indexing, inner) => indexing.optimize(collection, inner), signal),
  };
}
