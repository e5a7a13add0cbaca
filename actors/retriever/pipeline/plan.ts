import { kennelError } from "../../../runtime/errors.ts";
import type { ModeView } from "../../coordinator/modes.ts";
import type { FusionSettings } from "../../document_store/collection_record.ts";
import type { Degradation, ScoreType, SearchRequest } from "../search.ts";
import { branchesOf, partsOf, rewritingOf } from "../strategies/legs.ts";

export type BranchName = "vector" | "bm25";

/** What a query is going to do, decided before it does anything. */
export interface SearchPlan {
  /** Branches to run, in the order in which fusion adds them. */
  readonly branches: readonly BranchName[];
  /** Branches that take part when everything is up: what a score threshold was set for. */
  readonly wanted: readonly BranchName[];
  /** Tried when no planned branch has answered. */
  readonly fallback: BranchName | null;
  /** Null when one branch is wanted: its own scores rank the hits. */
  readonly fusion: FusionSettings | null;
  readonly groupBy: "chunk" | "document" | "parent";
  /** The kind of score that `score_threshold` speaks of. */
  readonly expectedScore: ScoreType;
  /** Failed services that this query would have used. */
  readonly degradations: readonly Degradation[];
}

/**
 * Chooses the branches for a request under a mode. A branch that the mode rules out is left out; if none that was wanted
 * is left, the other one stands in where the request has what it needs.
 * @throws KennelError `unavailable` with the causes when nothing can answer, `invalid_request` when nothing was asked
 */
export function planSearch(request: SearchRequest, fusion: FusionSettings, mode: ModeView): SearchPlan {
  const wanted = wantedBranches(request);
  const can = (branch: BranchName): boolean =>
    branch === "bm25"
      ? mode.canSearchText && request.query !== null
      : mode.canSearchVectors && (request.vector !== null || (mode.canEmbed && request.query !== null));
  const others = (["bm25", "vector"] as const).filter((branch) => !wanted.includes(branch) && can(branch));
  const planned = wanted.filter(can);
  const branches = planned.length > 0 ? planned : others.slice(0, 1);
  if (branches.length === 0) throw nothingLeft(mode);
  return {
    branches,
    wanted,
    fallback: planned.length > 0 ? (others[0] ?? null) : null,
    fusion: wanted.length > 1 ? fusion : null,
    groupBy: showsParents(request) ? "parent" : request.groupBy === "document" ? "document" : "chunk",
    expectedScore: request.rerank ? "rerank" : wanted.length > 1 ? fusion.type : ownScore(wanted[0] ?? "bm25"),
    degradations: degradationsFor(request, mode.degradations, wanted),
  };
}

/** Of what has failed, what takes something from the answer to this request. Throws as `planSearch` does. */
export function degradationsFor(
  request: SearchRequest,
  failed: readonly Degradation[],
  wanted: readonly BranchName[] = wantedBranches(request),
): readonly Degradation[] {
  return failed.filter(({ stage }) => concerns(stage, request, wanted));
}

/** The score a branch ranks by when it stands alone. */
export function ownScore(branch: BranchName): ScoreType {
  return branch === "vector" ? "cosine" : "bm25";
}

/** The error of a query that nothing is left to answer. */
export function nothingLeft(mode: ModeView): Error {
  const causes = mode.degradations.map(({ service, stage }) => `${service} (${stage})`).join(", ");
  return kennelError("unavailable", {
    message: causes === "" ? "No search is possible now" : `No search is possible while these are down: ${causes}`,
  });
}

/** Fails a degraded answer where only a full one is allowed. */
export function refuseDegraded(degradations: readonly Degradation[], isAllowed: boolean): void {
  if (isAllowed || degradations.length === 0) return;
  const parts = degradations.map(({ stage, reason, service }) => `${stage} by ${service} (${reason})`).join(", ");
  throw kennelError("degraded", { message: `A full answer is not available: ${parts}; allow_degraded is false` });
}

function showsParents(request: SearchRequest): boolean {
  return partsOf(request).some(({ strategy }) => strategy === "parent_document");
}

function wantedBranches(request: SearchRequest): readonly BranchName[] {
  const { strategy, query, vector } = request;
  if (query === null && vector === null)
    throw kennelError("invalid_request", { message: "Either query or vector is needed", param: "query" });
  if (strategy === "bm25") {
    if (query === null) throw kennelError("invalid_request", { message: 'Strategy "bm25" needs a query', param: "query" });
    return ["bm25"];
  }
  // A vector without words has no lexical side, whatever the strategy.
  if (query === null) return ["vector"];
  const parts = partsOf(request);
  return (["vector", "bm25"] as const).filter((branch) => parts.some((part) => branchesOf(part.strategy).includes(branch)));
}

function writes(request: SearchRequest): boolean {
  const { subQueries, hypothetical } = rewritingOf(request);
  return subQueries || hypothetical;
}

function concerns(stage: string, request: SearchRequest, wanted: readonly BranchName[]): boolean {
  switch (stage) {
    case "embed":
      return wanted.includes("vector") && request.vector === null;
    case "vector":
    case "bm25":
      return wanted.includes(stage);
    case "parents":
      return showsParents(request);
    case "rewrite":
      return writes(request);
    case "rerank":
      return request.rerank;
    default:
      return false;
  }
}
