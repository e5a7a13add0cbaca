import type { Flags } from "../../../config/flags.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { HedgeOptions } from "../../../runtime/hedge.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Bulkhead } from "../../../supervisor/bulkhead.ts";
import type { ChildLimits } from "../../../supervisor/child.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import type { Tracer } from "../../../telemetry/tracing.ts";
import type { Modes } from "../../coordinator/modes.ts";
import type { CollectionRecord } from "../../document_store/collection_record.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import type { CachedEmbeddingModel } from "../../embedding/embedding.ts";
import type { LanguageModel } from "../../language_model/language_model.ts";
import type { Reranker } from "../../reranker/reranker.ts";
import type { LexicalIndex, VectorStore } from "../../vector_store/vector_store.ts";
import type { AnswerCacheOptions } from "../answers/answer_cache.ts";
import type { SharedAnswers } from "../answers/shared_answers.ts";
import type { ResidencyParts } from "../index/residency.ts";
import type { RetrieverMetrics } from "../metrics.ts";
import type { PipelineLimits } from "../pipeline/search_context.ts";
import type { RetrieverSupervisor } from "./active_collection.ts";
import type { SheddingLimits } from "./deadline_pressure.ts";
import type { PassivationLimits } from "./passivation.ts";
import type { PopularQueries } from "./popular_queries.ts";
import type { SnapshotFolder } from "./snapshots.ts";
import type { UseOptions } from "./uses.ts";

/** A collection by its own name or an alias's, and the build to search. */
export interface ResolvedCollection {
  readonly record: CollectionRecord;
  readonly version: number;
}

/** This node's view of collections; reading it never waits. */
export interface CollectionView {
  resolve(name: string): ResolvedCollection | null;
}

export interface RegistryOptions {
  /** Collections with retrievers at once; the least recently used makes room. */
  readonly maxActive: number;
  readonly passivation: PassivationLimits;
  /** Pause between looks for who is idle or too large. */
  readonly sweepIntervalMs: number;
  /** Activations side by side; the others wait in line. */
  readonly maxActivations: number;
  readonly activationTimeoutMs: number;
  /** Recently used collections that are warmed at start, besides pinned ones. */
  readonly warmCollections: number;
  /** Part of an activation that opening tables and a first search may take. */
  readonly warmLimitMs: number;
  /** Time that a retriever has to take in a new index version. */
  readonly refreshTimeoutMs: number;
  /** Askers that may wait for one computation, or for one index version. */
  readonly maxWaiting: number;
  readonly answers: AnswerCacheOptions;
  /** Passages that one retriever keeps ready. */
  readonly maxPassageBytes: number;
  /** Parents' texts that one retriever keeps ready. */
  readonly maxParentBytes: number;
  /** Time after which what phases took is forgotten. */
  readonly phaseMemoryMs: number;
  readonly pipeline: PipelineLimits;
  readonly shedding: SheddingLimits;
  readonly uses: UseOptions;
  readonly retrieverLimits: ChildLimits;
  /** Time that a retriever has to take in a write that the store has acknowledged. */
  readonly writeTimeoutMs: number;
}

/** What collections need to be held in memory. */
export interface ResidentParts extends Pick<ResidencyParts, "workshop" | "kernels" | "search" | "builds" | "loads" | "limits"> {
  readonly snapshots: SnapshotFolder;
  /** Memory of one chunk with its text, about: what decides whether a collection is tried at all. */
  readonly bytesPerChunk: number;
  /** Bytes by which the process is above the share of memory it may use; 0: it is below. */
  readonly bytesAboveHighWater: () => number;
}

export interface RegistryParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: RetrieverMetrics;
  /** @default nothing is traced */
  readonly tracer?: Tracer;
  /** The subtree that retrievers live in. */
  readonly supervisor: RetrieverSupervisor;
  readonly collections: CollectionView;
  /** Names of all collections that have `pinned` set. */
  readonly pinned: () => readonly string[];
  readonly vectorStore: Pick<VectorStore, "searchVector" | "fetchChunks" | "scan">;
  readonly lexicalIndex: LexicalIndex;
  /** By the name in a collection's settings. Throws a `KennelError` for one that this node does not have. */
  readonly models: (name: string) => CachedEmbeddingModel;
  /** Null: this node has none. */
  readonly reranker: Reranker | null;
  /** Null: this node has none. */
  readonly languageModel: LanguageModel | null;
  /** Null: there is nowhere to keep them. */
  readonly sharedAnswers: Pick<SharedAnswers, "find" | "keep"> | null;
  readonly documents: Pick<DocumentStore, "getParents" | "noteUse" | "recentlyUsed">;
  readonly modes: Modes;
  /** What is switched on now. */
  readonly flags: Flags;
  /** Second attempts of slow reads; null: there are none. */
  readonly hedging: { readonly searches: HedgeOptions | null; readonly parents: HedgeOptions | null };
  /** What stands before the model and the reranker; null: nothing has to. */
  readonly bulkheads: { readonly embedding: Bulkhead | null; readonly reranker: Bulkhead | null };
  /** Counts what is asked; the most of it is asked again after a start. */
  readonly popular: PopularQueries;
  /** Null: no collection is held in memory. */
  readonly resident: ResidentParts | null;
}
