import type { Clock } from "../../../runtime/clock.ts";
import type { KennelError } from "../../../runtime/errors.ts";
import type { Modes, Role } from "../../coordinator/modes.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import type { EmbeddingModel } from "../../embedding/embedding.ts";
import type { ByteCache } from "../index/byte_cache.ts";
import type { RetrievalIndex } from "../index/index.ts";
import type { RetrieverMetrics } from "../metrics.ts";
import type { Degradation, Mode, SearchRequest } from "../search.ts";
import type { Deadline } from "./deadline.ts";
import type { Phase, PhaseTimes } from "./phase_times.ts";
import type { SearchPlan } from "./plan.ts";

/** A request with what its collection and the moment add to it. */
export interface PreparedSearch {
  readonly request: SearchRequest;
  readonly plan: SearchPlan;
  /** The mode that the plan was made under. */
  readonly mode: Mode;
  /** Rows last changed before this wall time are not found; null: no TTL. */
  readonly notBeforeMs: number | null;
  /** Monotonic time at which the query came in. */
  readonly receivedMs: number;
  /** The collection holds no chunk, so an index that does not exist yet is an empty one. */
  readonly isEmpty: boolean;
}

/** How patient a query is with what hangs. */
export interface PipelineLimits {
  /** Share of the remaining deadline that embedding may take. */
  readonly embedShare: number;
  /** Share of the remaining deadline that a branch may take, embedding included. */
  readonly retrieveShare: number;
  /** Share of the remaining deadline that fetching parents may take. */
  readonly parentsShare: number;
  /** Once one branch has answered, the others get this many times their learned p95 from the query's start … */
  readonly stragglerFactor: number;
  /** … and at least this. */
  readonly minStragglerMs: number;
}

/** What a pipeline uses, the same for every query of one retriever. */
export interface PipelineParts {
  readonly clock: Clock;
  readonly model: EmbeddingModel;
  readonly documents: Pick<DocumentStore, "getParents">;
  readonly modes: Pick<Modes, "serviceOf">;
  readonly metrics: RetrieverMetrics;
  readonly times: PhaseTimes;
  readonly limits: PipelineLimits;
  /** The collection and the build that is searched, for parents. */
  readonly collection: string;
  readonly version: number;
  /** Parents' texts, ready to be copied into hits. */
  readonly parentTexts: ByteCache<Uint8Array>;
}

/** One query on its way: what its phases share. */
export class SearchContext {
  readonly parts: PipelineParts;
  readonly index: RetrievalIndex;
  readonly search: PreparedSearch;
  readonly deadline: Deadline;
  readonly signal: AbortSignal;
  readonly timings: Partial<Record<Phase, number>> = {};
  readonly explain: Record<string, unknown> = {};
  /** What went wrong on the way, beside what the mode says. */
  readonly #failures: Degradation[] = [];

  constructor(parts: PipelineParts, index: RetrievalIndex, search: PreparedSearch, deadline: Deadline, signal: AbortSignal) {
    this.parts = parts;
    this.index = index;
    this.search = search;
    this.deadline = deadline;
    this.signal = signal;
  }

  get failures(): readonly Degradation[] {
    return this.#failures;
  }

  /** Notes what a phase took since `startedMs`. */
  readonly took = (phase: Phase, startedMs: number): void => {
    const durationMs = this.parts.clock.monotonicMs() - startedMs;
    this.timings[phase] = durationMs;
    this.parts.times.note(phase, durationMs);
  };

  /** Reports a stage that did not do its part. A stage and reason that stand already are not repeated: reasons are a set. */
  degrade(stage: string, reason: KennelError["code"] | "skipped_for_deadline", role: Role): void {
    const { service, breaker } = this.parts.modes.serviceOf(role);
    const known = [...this.search.plan.degradations, ...this.#failures];
    if (known.some((degradation) => degradation.stage === stage && degradation.service === service)) return;
    this.#failures.push({ stage, reason, service, breaker });
  }
}
