import type { CollectionRecord } from "../document_store/collection_record.ts";
import type { BuildComparison, ComparisonPlan, ReindexOutcome, ReindexPlan } from "../document_store/index_version.ts";

/** Asks two builds of one collection the same questions, a few at a time. */
export interface RunningComparison {
  /** The next few questions; false: there are none left. Rejects where the new build cannot answer in full: ask again later. */
  step(signal: AbortSignal): Promise<boolean>;
  /** Null: there was nothing to ask. */
  result(): BuildComparison | null;
}

/** Begins the comparison of a collection's active build with another one that is complete. */
export type BuildComparer = (record: CollectionRecord, version: number, plan: ComparisonPlan) => RunningComparison;

/** Builds that wait for their comparison to go on; one more makes the oldest begin anew. */
const MAX_RUNNING = 16;
/** Where nothing says otherwise, as for repairs. */
export const PLAIN_PLAN: ReindexPlan = { switch: "always", keepMs: 0, compare: null };

/** Comparisons under way, by job. A crash forgets them: they begin anew. */
export class Comparisons {
  readonly #compare: BuildComparer;
  readonly #running = new Map<string, RunningComparison>();

  constructor(compare: BuildComparer) {
    this.#compare = compare;
  }

  isRunning(jobId: string): boolean {
    return this.#running.has(jobId);
  }

  /** Goes on until `shouldStop`. @returns the finished comparison; `open`: it is to be gone on with in another round */
  async advance(
    jobId: string,
    record: CollectionRecord,
    version: number,
    plan: ComparisonPlan,
    shouldStop: () => boolean,
    signal: AbortSignal,
  ): Promise<BuildComparison | "open" | null> {
    const running = this.#running.get(jobId) ?? this.#begin(jobId, record, version, plan);
    for (let steps = 0; steps < STEPS_PER_ROUND && !shouldStop(); steps++) {
      if (await running.step(signal)) continue;
      this.#running.delete(jobId);
      return running.result();
    }
    if (shouldStop()) this.#running.delete(jobId);
    return "open";
  }

  #begin(jobId: string, record: CollectionRecord, version: number, plan: ComparisonPlan): RunningComparison {
    const [oldest] = this.#running.keys();
    if (this.#running.size >= MAX_RUNNING && oldest !== undefined) this.#running.delete(oldest);
    const running = this.#compare(record, version, plan);
    this.#running.set(jobId, running);
    return running;
  }
}

/** Between two rounds other work of the collection has its turn. */
const STEPS_PER_ROUND = 16;

export function decide(plan: ReindexPlan, comparison: BuildComparison | null): ReindexOutcome {
  if (plan.switch === "always") return { decision: "switched", reason: "always", comparison };
  if (plan.switch === "manual") return { decision: "held", reason: "manual", comparison };
  if (comparison === null || comparison.queries === 0) return { decision: "switched", reason: "nothing_to_compare", comparison };
  return comparison.isWorse ? { decision: "held", reason: "worse", comparison } : { decision: "switched", reason: "not_worse", comparison };
}
