import type { Flags } from "../../config/flags.ts";
import type { Degradation, Mode } from "../retriever/search.ts";
import type { WatchedService } from "./coordinator.ts";
import { type Residency, ROLES, type Role } from "./modes.ts";

export interface FailedService {
  /** The service's name in the status tree; several roles may share one. */
  readonly service: string;
  readonly breaker: "open" | "half_open";
}

export type FailedServices = ReadonlyMap<Role, FailedService>;

/** What a collection has and uses, as far as modes depend on it. */
export interface CollectionNeeds {
  readonly residency: Residency;
  /** Finished answers of it may be served with their age. */
  readonly hasCachedAnswers: boolean;
}

/** The stage of the pipeline that a role serves, as `degradations` names it. */
const STAGES: Readonly<Record<Role, string>> = {
  document_store: "parents",
  vector_store: "vector",
  lexical_index: "bm25",
  embedding: "embed",
  language_model: "rewrite",
  reranker: "rerank",
};

/** What an operator's mode rules out, whatever its services do: what its row of the table does not give. */
const RULED_OUT: Readonly<Record<Mode, readonly Role[]>> = {
  full: [],
  no_rewrite: ["language_model"],
  no_rerank: ["reranker"],
  basic: ["lexical_index", "reranker", "language_model"],
  lexical: ["vector_store", "embedding", "reranker", "language_model"],
  stale: ["vector_store", "lexical_index"],
  down: ["vector_store", "lexical_index"],
};

export function isRuledOut(role: Role, forcedMode: Mode | null): boolean {
  return forcedMode !== null && RULED_OUT[forcedMode].includes(role);
}

const STORES: readonly Role[] = ["vector_store", "lexical_index", "document_store"];

/**
 * What is left of a collection's search. The first row that matches wins: down, stale, lexical, basic, no_rerank,
 * no_rewrite, full. A resident collection does not notice its stores.
 */
export function decideMode(failed: FailedServices, needs: CollectionNeeds): Mode {
  const isResident = needs.residency === "resident";
  const hasVectors = isResident || !failed.has("vector_store");
  const hasLexical = isResident || !failed.has("lexical_index");
  const canEmbed = !failed.has("embedding");
  if (!hasVectors && !hasLexical) return needs.hasCachedAnswers ? "stale" : "down";
  if (!hasLexical && !canEmbed) return "down";
  if (!hasVectors || !canEmbed) return "lexical";
  if (!hasLexical) return "basic";
  if (failed.has("reranker")) return "no_rerank";
  if (failed.has("language_model")) return "no_rewrite";
  return "full";
}

/** What is missing for a collection, in the order of the roles; a resident one holds what its stores would give. */
export function degradationsOf(failed: FailedServices, needs: CollectionNeeds): readonly Degradation[] {
  const degradations: Degradation[] = [];
  for (const role of ROLES) {
    const failure = failed.get(role);
    if (failure === undefined) continue;
    if (needs.residency === "resident" && STORES.includes(role)) continue;
    degradations.push({ stage: STAGES[role], reason: "unavailable", service: failure.service, breaker: failure.breaker });
  }
  return degradations;
}

/** Roles whose work an operator may switch off by a flag; answers then go without and say so. */
const SWITCHED_BY: readonly (readonly [Role, "rewriting" | "rerank"])[] = [
  ["language_model", "rewriting"],
  ["reranker", "rerank"],
];

/** What flags leave out of answers, of the services that this node has. */
export function switchedOffDegradations(
  flags: Pick<Flags, "rewriting" | "rerank">,
  services: ReadonlyMap<Role, WatchedService>,
): readonly Degradation[] {
  return SWITCHED_BY.flatMap(([role, flag]) => {
    const service = services.get(role);
    if (service === undefined || flags[flag]) return [];
    return [{ stage: STAGES[role], reason: "switched_off", service: service.name, breaker: service.breaker }];
  });
}

/** What a forced mode leaves out of answers, of the services that this node has. */
export function forcedDegradations(forcedMode: Mode | null, services: ReadonlyMap<Role, WatchedService>): readonly Degradation[] {
  const degradations: Degradation[] = [];
  for (const role of ROLES) {
    const service = services.get(role);
    if (service === undefined || !isRuledOut(role, forcedMode)) continue;
    degradations.push({ stage: STAGES[role], reason: "forced", service: service.name, breaker: service.breaker });
  }
  return degradations;
}
