import type { StatusNode } from "../../supervisor/child.ts";
import type { Degradation, Mode } from "../retriever/search.ts";
import { capabilitiesAfter, capabilitiesIn, concerns, modeFor } from "./mode_table.ts";
import type { Modes, ModeView, Residency, Role, ServiceView } from "./modes.ts";

/** A service whose breaker the coordinator watches; `Service` of the supervisor is one. */
export interface WatchedService {
  readonly name: string;
  readonly isAvailable: boolean;
  readonly breaker: StatusNode["breaker"];
}

/** Who fills which role; a role that nobody fills is not needed. */
export type Roster = Readonly<Partial<Record<Role, WatchedService>>>;

/** The stage of a query that a role serves, as degradations name it. */
const STAGE_OF: Readonly<Record<Role, string>> = {
  vector_store: "vector",
  lexical_index: "bm25",
  embedding: "embed",
  document_store: "parents",
  reranker: "rerank",
  language_model: "rewrite",
};

/**
 * The coordinator's published snapshot. The coordinator alone writes it; whoever reads it gets a whole view, never half of
 * an old one.
 */
export class ModeBoard implements Modes {
  readonly #roster: Roster;
  readonly #keepsAnswers: boolean;
  #failed: ReadonlySet<Role> = new Set();
  #forced: Mode | null = null;
  #views: Readonly<Record<Residency, ModeView>>;

  constructor(roster: Roster, options: { readonly keepsAnswers: boolean }) {
    this.#roster = roster;
    this.#keepsAnswers = options.keepsAnswers;
    this.#views = this.#makeViews();
  }

  get roster(): Roster {
    return this.#roster;
  }

  get failed(): ReadonlySet<Role> {
    return this.#failed;
  }

  /** The operators' mode; null: the table decides. */
  get forced(): Mode | null {
    return this.#forced;
  }

  read(residency: Residency): ModeView {
    return this.#views[residency];
  }

  serviceOf(role: Role): ServiceView {
    const service = this.#roster[role];
    return service === undefined ? { service: role, breaker: "closed" } : { service: service.name, breaker: service.breaker };
  }

  publish(failed: ReadonlySet<Role>, forced: Mode | null): void {
    this.#failed = failed;
    this.#forced = forced;
    this.#views = this.#makeViews();
  }

  #makeViews(): Readonly<Record<Residency, ModeView>> {
    return { store: this.#view("store"), resident: this.#view("resident") };
  }

  #view(residency: Residency): ModeView {
    const left = capabilitiesAfter(this.#failed, residency);
    const allowed = this.#forced === null ? left : capabilitiesIn(this.#forced);
    return {
      mode: this.#forced ?? modeFor(this.#failed, { residency, keepsAnswers: this.#keepsAnswers }),
      canEmbed: left.canEmbed && allowed.canEmbed,
      canSearchVectors: left.canSearchVectors && allowed.canSearchVectors,
      canSearchText: left.canSearchText && allowed.canSearchText,
      degradations: [...this.#failed].filter((role) => concerns(role, residency)).map((role) => this.#degradation(role)),
    };
  }

  #degradation(role: Role): Degradation {
    return { stage: STAGE_OF[role], reason: "unavailable", ...this.serviceOf(role) };
  }
}
