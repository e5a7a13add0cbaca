import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { OPEN_SCOPE, type Scope } from "../../../transport/transport.ts";
import type { BuildComparison, ComparisonPlan } from "../../document_store/index_version.ts";
import type { EncodedAnswer, Hit, SearchRequest, Strategy } from "../search.ts";
import { judgedSearch } from "./evaluation.ts";
import { bootstrapInterval, type Judgements, ndcg } from "./metrics.ts";
import { overlap, rankBiasedOverlap } from "./overlap.ts";

/** Ranks that are compared. */
const DEPTH = 10;
const BOOTSTRAP_SEED = 1;

/** A question to both builds; `grades` null: nobody has judged what it finds. */
export interface ComparedQuestion {
  readonly request: SearchRequest;
  readonly scope: Scope;
  readonly grades: Judgements | null;
}

export interface ComparisonParts {
  /** Past every cache, and not counted as a search of a caller's. */
  readonly search: (version: number, request: SearchRequest, scope: Scope, signal: AbortSignal) => Promise<EncodedAnswer>;
  readonly active: number;
  readonly next: number;
}

interface Asked {
  readonly before: readonly Found[];
  readonly after: readonly Found[];
  readonly grades: Judgements | null;
}

type Found = Pick<Hit, "document_id" | "score">;

/** Judged questions, each for those whom the plan names, or as who may see everything. */
export function judgedQuestions(collection: string, plan: ComparisonPlan): readonly ComparedQuestion[] {
  return (plan.judged ?? []).map(({ query, grades }) => ({
    request: { ...judgedSearch(collection, query, plan.strategy as Strategy, [], null), topK: DEPTH },
    scope: { tenant: OPEN_SCOPE.tenant, principals: plan.principals ?? null },
    grades: new Map(Object.entries(grades)),
  }));
}

/** Asks the active build and another one the same questions, one after the other, and says how they differ. */
export class BuildsCompared {
  readonly #parts: ComparisonParts;
  readonly #plan: ComparisonPlan;
  readonly #left: ComparedQuestion[];
  readonly #asked: Asked[] = [];
  #failed = 0;

  constructor(parts: ComparisonParts, plan: ComparisonPlan, questions: readonly ComparedQuestion[]) {
    this.#parts = parts;
    this.#plan = plan;
    this.#left = [...questions].reverse();
  }

  /**
   * The next question; false: there is none left. What the active build cannot answer is counted and left out: it may be
   * the reason for the other one. Rejects where the other one cannot answer in full, and asks the same again then.
   */
  async step(signal: AbortSignal): Promise<boolean> {
    const question = this.#left.at(-1);
    if (question === undefined) return false;
    const { request, scope, grades } = question;
    const { search, active, next } = this.#parts;
    const compared: SearchRequest = { ...request, topK: DEPTH, groupBy: "document", include: [], useCache: false, minVersion: null };
    let after: EncodedAnswer;
    try {
      after = await search(next, { ...compared, allowDegraded: false }, scope, signal);
    } catch (thrown) {
      const error = toKennelError(thrown);
      // A question of late may not fit any more; whatever else is wrong goes by, and the build waits for it.
      if (error.code !== "invalid_request") throw error.code === "degraded" ? kennelError("unavailable", { cause: error }) : error;
      this.#left.pop();
      this.#failed++;
      return true;
    }
    const before = await search(active, { ...compared, allowDegraded: true }, scope, signal).catch((thrown: unknown) => {
      if (signal.aborted) throw thrown;
      return null;
    });
    this.#left.pop();
    if (before === null && grades === null) this.#failed++;
    else this.#asked.push({ before: before === null ? [] : foundIn(before), after: foundIn(after), grades });
    return true;
  }

  /** Null: there was nothing to ask. */
  result(): BuildComparison | null {
    const asked = this.#asked;
    if (asked.length === 0 && this.#failed === 0) return null;
    const ids = (found: readonly Found[]) => found.map((hit) => hit.document_id);
    const ndcg10 = this.#plan.judged === null ? null : judgedDifference(asked, ids);
    const overlap10 = mean(asked.map(({ before, after }) => overlap(ids(before), ids(after), DEPTH)));
    const emptied = asked.filter(({ before, after }) => before.length > 0 && after.length === 0).length;
    const { margin, minOverlap } = this.#plan;
    const isWorse = ndcg10 === null ? asked.length > 0 && (emptied > 0 || overlap10 < minOverlap) : ndcg10.difference.mean < -margin;
    return {
      basis: this.#plan.judged === null ? "recent" : "judged",
      queries: asked.length,
      failed: this.#failed,
      ndcg10,
      overlap10,
      rankBiasedOverlap: mean(asked.map(({ before, after }) => rankBiasedOverlap(ids(before), ids(after), DEPTH))),
      scoreShift: scoreShift(asked),
      emptied,
      isWorse,
    };
  }
}

function judgedDifference(asked: readonly Asked[], ids: (found: readonly Found[]) => readonly string[]): BuildComparison["ndcg10"] {
  const score = (found: readonly Found[], grades: Judgements | null) => ndcg(ids(found), grades ?? new Map(), DEPTH);
  const before = asked.map((each) => score(each.before, each.grades));
  const after = asked.map((each) => score(each.after, each.grades));
  const differences = after.map((value, place) => value - (before[place] ?? 0));
  return { before: mean(before), after: mean(after), difference: bootstrapInterval(differences, seededRandom(BOOTSTRAP_SEED)) };
}

/** Mean over all documents that both lists have. */
function scoreShift(asked: readonly Asked[]): number | null {
  const shifts = asked.flatMap(({ before, after }) => {
    const scores = new Map(before.map((hit) => [hit.document_id, hit.score]));
    return after.flatMap((hit) => {
      const known = scores.get(hit.document_id);
      return known === undefined ? [] : [hit.score - known];
    });
  });
  return shifts.length === 0 ? null : mean(shifts);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function foundIn({ hits }: EncodedAnswer): readonly Found[] {
  return (JSON.parse(new TextDecoder().decode(hits)) as readonly Hit[]).slice(0, DEPTH);
}
