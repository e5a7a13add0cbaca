import type { Degradation, Mode } from "../retriever/search.ts";
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

/** What is missing for a collection, in the order of the roles; a resident one misses no store but the parents' one. */
export function degradationsOf(failed: FailedServices, needs: CollectionNeeds): readonly Degradation[] {
  const degradations: Degradation[] = [];
  for (const role of ROLES) {
    const failure = failed.get(role);
    if (failure === undefined) continue;
    if (needs.residency === "resident" && (role === "vector_store" || role === "lexical_index")) continue;
    degradations.push({ stage: STAGES[role], reason: "unavailable", service: failure.service, breaker: failure.breaker });
  }
  return degradations;
}
