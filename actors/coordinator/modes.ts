import type { StatusNode } from "../../supervisor/child.ts";
import type { Degradation, Mode } from "../retriever/search.ts";

/** What a collection's answers need, by what does it. One service may fill several roles. */
export const ROLES = ["vector_store", "lexical_index", "embedding", "document_store", "reranker", "language_model"] as const;
export type Role = (typeof ROLES)[number];

/** Where a collection's index lies: asked from the store, or held in memory by its retriever. */
export type Residency = "store" | "resident";

/** What a pipeline may do now. Read once per query and handed along, so that one answer never mixes two modes. */
export interface ModeView {
  readonly mode: Mode;
  readonly canEmbed: boolean;
  readonly canSearchVectors: boolean;
  readonly canSearchText: boolean;
  /** Every failed service that answers of this kind of collection depend on, those behind `mode` included. */
  readonly degradations: readonly Degradation[];
}

export interface ServiceView {
  readonly service: string;
  readonly breaker: StatusNode["breaker"];
}

/** The coordinator's published snapshot, read synchronously; nobody asks the coordinator per query. */
export interface Modes {
  /** @param hasVector the query's vector is at hand, so that embedding being away takes nothing from its answer */
  read(residency: Residency, hasVector: boolean): ModeView;
  /** Who fills a role, and how its breaker stands now. */
  serviceOf(role: Role): ServiceView;
}
