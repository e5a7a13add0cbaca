import type { Clock } from "../../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Residency } from "../../coordinator/modes.ts";
import { bothOf } from "../../vector_store/filter.ts";
import { Flights } from "../answers/flights.ts";
import type { PipelineAnswer } from "../pipeline/pipeline.ts";
import { planSearch, refuseDegraded, type SearchPlan } from "../pipeline/plan.ts";
import type { Degradation, EncodedAnswer } from "../search.ts";
import type { ActiveCollection } from "./active_collection.ts";
import type { Actives } from "./actives.ts";
import type { Query } from "./admission.ts";
import type { KeptAnswers } from "./kept_answers.ts";
import type { RegistryParts, ResolvedCollection } from "./options.ts";

// Invariants:
//   W1. An answer of a collection that was dropped meanwhile reaches those who wait for it and is not kept.
//   W2. No search reaches a retriever without the filter of who asks, which is and-ed with the request's own.

/** Times that a query opens its collection anew because others have put it out before it was asked. */
const MAX_REOPENINGS = 3;
const INCOMPLETE: Degradation = { stage: "retrieve", reason: "index_incomplete", service: "vector_store", breaker: "closed" };

/** An answer that was worked out, or that had been before, by this node or another. */
interface Computed extends PipelineAnswer {
  readonly wasKept: boolean;
}

type AnsweringParts = Pick<RegistryParts, "clock" | "collections" | "flags" | "metrics" | "random">;

/** Works out answers: one computation for all who ask the same, by a retriever of the collection, opened where it is not. */
export class Answering {
  readonly #parts: AnsweringParts;
  readonly #clock: Clock;
  readonly #actives: Actives;
  readonly #answers: KeptAnswers;
  readonly #flights: Flights<Computed>;
  readonly #isDraining: () => boolean;

  /** @param maxWaiting callers that wait for one computation together */
  constructor(parts: AnsweringParts, maxWaiting: number, actives: Actives, answers: KeptAnswers, isDraining: () => boolean) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#actives = actives;
    this.#answers = answers;
    this.#flights = new Flights(parts.clock, maxWaiting);
    this.#isDraining = isDraining;
  }

  /** Computations under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** Throws as `planSearch` does. */
  plan({ request, fusion, mode, resolved }: Query): SearchPlan {
    return withRepair(planSearch(request, fusion, mode), resolved, this.#actives.find(resolved)?.residency);
  }

  /**
   * @param targetVersion the newest index version known, under which others may be asking the same
   * @throws KennelError `degraded` where only a full answer will do; what the retriever throws
   */
  async answer(
    query: Query,
    plan: SearchPlan,
    targetVersion: number,
    timeoutMs: number,
    isDegradedAllowed: boolean,
    signal: AbortSignal,
  ): Promise<EncodedAnswer> {
    if (!query.request.useCache) {
      const { answer } = await this.#compute(query, plan, timeoutMs, signal);
      refuseDegraded(answer.rest.degradations, isDegradedAllowed);
      return this.#answers.answered(answer, query, "off");
    }
    const compute = (within: AbortSignal) => this.#computeAndKeep(query, plan, timeoutMs, within);
    const { result, isShared } = this.#parts.flags.coalescing
      ? await this.#flights.join(`${targetVersion} ${query.key}`, timeoutMs, signal, compute)
      : { result: await compute(signal), isShared: false };
    refuseDegraded(result.answer.rest.degradations, isDegradedAllowed);
    const worked = this.#answers.isOn ? "miss" : "off";
    return this.#answers.answered(result.answer, query, result.wasKept ? "hit" : isShared ? "coalesced" : worked);
  }

  async #computeAndKeep(query: Query, plan: SearchPlan, timeoutMs: number, signal: AbortSignal): Promise<Computed> {
    const isWhole = !plan.degradations.includes(INCOMPLETE);
    const shared = isWhole ? await this.#answers.findShared(query, this.#actives.targetVersion(query.resolved), signal) : null;
    if (shared !== null) return { answer: shared, isKeepable: true, wasKept: true };
    const result = await this.#compute(query, plan, timeoutMs, signal);
    const { record } = query.resolved;
    const isCurrent = this.#parts.collections.resolve(query.request.collection)?.record.createdAtMs === record.createdAtMs;
    if (result.isKeepable && isWhole && isCurrent) this.#answers.keep(query, result.answer); // W1
    return { ...result, wasKept: false };
  }

  /** Opens the collection and asks it; again where it had to make room for others between the two, which costs the query time only. */
  async #compute(query: Query, plan: SearchPlan, timeoutMs: number, signal: AbortSignal): Promise<PipelineAnswer> {
    for (let reopenings = 0; ; reopenings++) {
      let entry: ActiveCollection | null = null;
      try {
        entry = await this.#actives.open(query.resolved, signal);
        return await this.#ask(entry, query, plan, timeoutMs, signal);
      } catch (thrown) {
        const hasMadeWay = entry === null || entry.isStopping;
        const mayTryAgain = reopenings < MAX_REOPENINGS && !this.#isDraining() && !signal.aborted;
        if (!hasMadeWay || !mayTryAgain || toKennelError(thrown).code !== "unavailable") throw thrown;
      }
    }
  }

  async #ask(entry: ActiveCollection, query: Query, plan: SearchPlan, timeoutMs: number, signal: AbortSignal): Promise<PipelineAnswer> {
    entry.lastUsedMs = this.#clock.monotonicMs();
    const remainingMs = Math.min(timeoutMs, query.endsAtMs - this.#clock.monotonicMs());
    if (remainingMs <= 0) throw kennelError("deadline_exceeded");
    const { pressure } = entry;
    const refusal = pressure.refusal(entry.record.name, this.#parts.random.next());
    if (refusal !== null) {
      this.#parts.metrics.count("load_shed", 1);
      throw refusal;
    }
    const { request, visible } = query;
    const search = {
      request: visible === null ? request : { ...request, filter: bothOf(request.filter, visible) }, // W2
      plan,
      mode: query.mode.mode,
      visible,
      notBeforeMs: query.notBeforeMs,
      receivedMs: query.receivedMs,
      isEmpty: query.resolved.record.chunks === 0 && !query.isLive,
      isShedding: pressure.sheds !== "nothing",
    };
    const outcome = await pressure.observed(remainingMs, () => entry.ask(search, remainingMs, signal));
    if (outcome.kind === "refused") throw outcome.error;
    return outcome.answer;
  }
}

/** While the store's index lacks rows and is built anew, what it finds may not be all there is; a whole index in memory has it all. */
function withRepair(plan: SearchPlan, { record, version }: ResolvedCollection, residency: Residency | undefined): SearchPlan {
  if (record.versions.length === 0 || version !== record.version || residency === "resident") return plan;
  if (!record.versions.some((other) => other.kind === "building" && other.isRepair)) return plan;
  return { ...plan, degradations: [...plan.degradations, INCOMPLETE] };
}
