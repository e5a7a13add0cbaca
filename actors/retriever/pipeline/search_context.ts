import type { Clock } from "../../../runtime/clock.ts";
import type { KennelError } from "../../../runtime/errors.ts";
import type { Tracer } from "../../../telemetry/tracing.ts";
import { NO_TRACER, traced } from "../../../telemetry/tracing.ts";
import type { Modes, Role } from "../../coordinator/modes.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";
import type { EmbeddingModel } from "../../embedding/embedding.ts";
import type { LanguageModel } from "../../language_model/language_model.ts";
import type { Reranker } from "../../reranker/reranker.ts";
import type { VisibleFilter } from "../../vector_store/filter.ts";
import type { ByteCache } from "../index/byte_cache.ts";
import type { RetrievalIndex } from "../index/index.ts";
import type { RetrieverMetrics } from "../metrics.ts";
import type { Degradation, Mode, SearchRequest } from "../search.ts";
import { type Leg, legsOf, NOTHING_WRITTEN } from "../strategies/legs.ts";
import type { Deadline } from "./deadline.ts";
import type { Phase, PhaseTimes } from "./phase_times.ts";
import type { SearchPlan } from "./plan.ts";

/** A request with what its collection and the moment add to it. */
export interface PreparedSearch {
  readonly request: SearchRequest;
  readonly plan: SearchPlan;
  /** The mode that the plan was made under. */
  readonly mode: Mode;
  /** Part of the request's filter already; what is read after the search is checked against it again. Null: all is visible. */
  readonly visible: VisibleFilter | null;
  /** Rows last changed before this wall time are not found; null: no TTL. */
  readonly notBeforeMs: number | null;
  /** Monotonic time at which the query came in. */
  readonly receivedMs: number;
  /** The collection holds no chunk, so an index that does not exist yet is an empty one. */
  readonly isEmpty: boolean;
  /** The collection misses its deadlines, so that what an answer can do without is left out. */
  readonly isShedding: boolean;
}

/** How patient a query is with what hangs. */
export interface PipelineLimits {
  /** Share of the remaining deadline that embedding may take. */
  readonly embedShare: number;
  /** Share of the remaining deadline that a branch may take, embedding included. */
  readonly retrieveShare: number;
  /** Share of the remaining deadline that fetching parents may take. */
  readonly parentsShare: number;
  /** Share of the remaining deadline that a language model may take to write further questions. */
  readonly rewriteShare: number;
  /** Share of the remaining deadline that ranking anew may take. */
  readonly rerankShare: number;
  /** Learned chance of ending in time (0..1) below which an optional phase is left out. */
  readonly minPhaseChance: number;
  /** Once one branch has answered, the others get this many times their learned p95 from the query's start … */
  readonly stragglerFactor: number;
  /** … and at least this. */
  readonly minStragglerMs: number;
}

/** A parent's text as a part of a hit, and who may see it. */
export interface ShownParent {
  readonly text: Uint8Array;
  readonly principals: readonly string[];
}

/** What a pipeline uses, the same for every query of one retriever. */
export interface PipelineParts {
  readonly clock: Clock;
  readonly model: EmbeddingModel;
  /** Components of the collection's vectors, where they need not be those of its model. */
  readonly adoptedDimensions?: number;
  /** Null: this node has none. */
  readonly reranker: Reranker | null;
  /** Null: this node has none. */
  readonly languageModel: LanguageModel | null;
  readonly documents: Pick<DocumentStore, "getParents">;
  readonly modes: Pick<Modes, "serviceOf">;
  readonly metrics: RetrieverMetrics;
  /** @default nothing is traced */
  readonly tracer?: Tracer;
  readonly times: PhaseTimes;
  /** How long it is not known that the index is level with its store, in ms; 0: it is. */
  readonly ageMs: () => number;
  readonly limits: PipelineLimits;
  /** The collection and the build that is searched, for parents. */
  readonly collection: string;
  readonly version: number;
  /** Parents, ready to be copied into hits. */
  readonly parentTexts: ByteCache<ShownParent>;
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
  readonly #tracer: Tracer;
  /** What is searched, in plan order. */
  legs: readonly Leg[];
  /** What went wrong on the way, beside what the mode says. */
  readonly #failures: Degradation[] = [];

  constructor(parts: PipelineParts, index: RetrievalIndex, search: PreparedSearch, deadline: Deadline, signal: AbortSignal) {
    this.parts = parts;
    this.index = index;
    this.search = search;
    this.deadline = deadline;
    this.signal = signal;
    this.#tracer = parts.tracer ?? NO_TRACER;
    this.legs = legsOf(search.request, search.plan, NOTHING_WRITTEN);
  }

  get failures(): readonly Degradation[] {
    return this.#failures;
  }

  /** Notes what a phase took since `startedMs`. */
  readonly took = (phase: Phase, startedMs: number): void => {
    this.noted(phase, startedMs);
    if (this.#tracer.isOn) this.#tracer.record(`search ${phase}`, startedMs);
  };

  /** The same for a phase that has run in `traced`, and has its span. */
  readonly noted = (phase: Phase, startedMs: number): void => {
    this.parts.times.note(phase, this.spent(phase, startedMs));
  };

  /** Runs what waits for others as a phase: what it asks stands below it in the trace. */
  readonly traced = <Result>(phase: Phase, work: () => Result): Result =>
    this.#tracer.isOn ? traced(this.#tracer, { name: `search ${phase}` }, work) : work();

  /** The same for a phase that came to nothing: nothing is learned from it. */
  spent(phase: Phase, startedMs: number): number {
    const durationMs = this.parts.clock.monotonicMs() - startedMs;
    this.timings[phase] = durationMs;
    return durationMs;
  }

  /** Reports a stage that did not do its part. A stage and reason that stand already are not repeated: reasons are a set. */
  degrade(stage: string, reason: KennelError["code"] | "skipped_for_deadline" | "shed" | "not_configured", role: Role): void {
    const { service, breaker } = this.parts.modes.serviceOf(role);
    const known = [...this.search.plan.degradations, ...this.#failures];
    if (known.some((degradation) => degradation.stage === stage && degradation.service === service)) return;
    this.#failures.push({ stage, reason, service, breaker });
  }
}
