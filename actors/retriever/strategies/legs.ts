import type { FusionSettings } from "../../document_store/collection_record.ts";
import type { BranchName, SearchPlan } from "../pipeline/plan.ts";
import type { Embedded } from "../pipeline/retrieve.ts";
import type { EnsemblePart, SearchRequest } from "../search.ts";

/** `vector` and `bm25` search for the question itself, `hyde` for a made-up answer, `vector_1` and `bm25_1` for the first further question. */
export type LegName = BranchName | "hyde" | `${BranchName}_${number}`;

/** One search of a query's: every strategy is a list of them, whose candidates one fusion makes one list. */
export interface Leg {
  /** Unique among a query's legs; names its ranks and scores. */
  readonly name: LegName;
  readonly branch: BranchName;
  readonly text: string;
  /** For a `vector` leg; null: the query's own text, which is embedded on the way. */
  readonly embedded: Embedded | null;
  /** Share in the fused score, >= 0; those of all legs of a weighted fusion add up to 1 while no branch is ruled out. */
  readonly weight: number;
}

/** What a language model has written for a query, with the vectors of all its texts. */
export interface Rewriting {
  /** Questions beside the original one. */
  readonly subQueries: readonly string[];
  /** Of the original question, then of `subQueries`; empty where no branch needs them. */
  readonly vectors: readonly Embedded[];
  /** Between the question and a passage made up as its answer; null: none was written, and the question stands alone. */
  readonly hypothetical: Embedded | null;
}

export const NOTHING_WRITTEN: Rewriting = { subQueries: [], vectors: [], hypothetical: null };

/** The original question's share where it is asked with others. */
const ORIGINAL_SHARE = 0.5;

/** Whether a query's strategy has a language model write. */
export function rewritingOf({ strategy, options }: SearchRequest): { readonly subQueries: boolean; readonly hypothetical: boolean } {
  const uses = (part: EnsemblePart) => strategy === part || options.ensemble.some((one) => one.strategy === part);
  return { subQueries: uses("multi_query"), hypothetical: uses("hyde") };
}

/** The branches that a part of a strategy searches, in plan order. */
export function branchesOf(strategy: EnsemblePart): readonly BranchName[] {
  return strategy === "vector" || strategy === "bm25" ? [strategy] : ["vector", "bm25"];
}

/** The parts of a request's strategy with their shares, which add up to 1. */
export function partsOf({ strategy, options }: SearchRequest): readonly { readonly strategy: EnsemblePart; readonly share: number }[] {
  if (strategy !== "ensemble") return [{ strategy, share: 1 }];
  const total = options.ensemble.reduce((sum, { weight }) => sum + weight, 0);
  return options.ensemble.map((part) => ({ strategy: part.strategy, share: part.weight / total }));
}

/**
 * The legs of a query over the branches that its plan has, in plan order: the question's own, then the further questions'.
 * The shares of parts, questions and branches are multiplied; a search that several parts want is one leg with all their shares.
 */
export function legsOf(request: SearchRequest, plan: Pick<SearchPlan, "branches" | "fusion">, written: Rewriting): readonly Leg[] {
  const legs = new Map<LegName, Leg>();
  const add = (leg: Leg): void => {
    const weight = (legs.get(leg.name)?.weight ?? 0) + leg.weight;
    legs.set(leg.name, { ...leg, weight });
  };
  for (const { strategy, share } of partsOf(request)) {
    const wanted = branchesOf(strategy);
    for (const branch of plan.branches) {
      if (wanted.includes(branch) || plan.branches.length === 1)
        addQuestions(add, request, strategy, branch, share * shareOf(branch, wanted, plan.fusion), written);
    }
  }
  return [...legs.values()].sort((left, right) => placeOf(left) - placeOf(right));
}

/** What stands in for legs that have brought nothing up: the question in a branch that was not wanted. */
export function standInLeg({ query, vector }: SearchRequest, branch: BranchName): Leg {
  return { name: branch, branch, text: query ?? "", embedded: vector === null ? null : { ok: true, vector }, weight: 1 };
}

function addQuestions(
  add: (leg: Leg) => void,
  { query, vector }: SearchRequest,
  strategy: EnsemblePart,
  branch: BranchName,
  weight: number,
  { subQueries, vectors, hypothetical }: Rewriting,
): void {
  const text = query ?? "";
  const own: Embedded | null = vector !== null ? { ok: true, vector } : (vectors[0] ?? null);
  if (strategy === "hyde" && branch === "vector" && hypothetical !== null) {
    add({ name: "hyde", branch, text, embedded: hypothetical, weight });
    return;
  }
  const others = strategy === "multi_query" ? subQueries : [];
  add({ name: branch, branch, text, embedded: own, weight: others.length === 0 ? weight : weight * ORIGINAL_SHARE });
  for (const [at, other] of others.entries()) {
    const share = (weight * (1 - ORIGINAL_SHARE)) / others.length;
    add({ name: `${branch}_${at + 1}`, branch, text: other, embedded: vectors[at + 1] ?? null, weight: share });
  }
}

/** What a branch counts among those of its part. */
function shareOf(branch: BranchName, wanted: readonly BranchName[], fusion: FusionSettings | null): number {
  if (fusion === null || wanted.length === 1) return 1;
  if (fusion.type === "rrf") return fusion.weights[branch];
  return branch === "vector" ? fusion.alpha : 1 - fusion.alpha;
}

/** Plan order: the question's own legs, then those of the first further question, and so on; vectors before words. */
function placeOf({ name, branch }: Leg): number {
  const number = Number(name.slice(branch.length + 1)) || 0;
  return number * 4 + (branch === "bm25" ? 2 : name === "hyde" ? 1 : 0);
}
