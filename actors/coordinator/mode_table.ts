import type { Mode } from "../retriever/search.ts";
import type { Residency, Role } from "./modes.ts";

export interface ModeNeed {
  readonly residency: Residency;
  /** Finished answers are kept, so that there is something to give when the store is gone. */
  readonly keepsAnswers: boolean;
}

export interface Capabilities {
  readonly canEmbed: boolean;
  readonly canSearchVectors: boolean;
  readonly canSearchText: boolean;
}

interface Row {
  readonly mode: Mode;
  readonly when: (failed: ReadonlySet<Role>, need: ModeNeed) => boolean;
}

const isStoreGone = (failed: ReadonlySet<Role>, { residency }: ModeNeed): boolean =>
  residency === "store" && failed.has("vector_store") && failed.has("lexical_index");

/** The first row that matches wins: a mode is what is left, not a step on a ladder. */
export const MODE_TABLE: readonly Row[] = [
  {
    mode: "down",
    when: (failed, need) => {
      const { canEmbed, canSearchVectors, canSearchText } = capabilitiesAfter(failed, need.residency);
      const canAnswer = canSearchText || (canSearchVectors && canEmbed);
      return !canAnswer && !(isStoreGone(failed, need) && need.keepsAnswers);
    },
  },
  { mode: "stale", when: isStoreGone },
  { mode: "lexical", when: (failed, { residency }) => failed.has("embedding") || !capabilitiesAfter(failed, residency).canSearchVectors },
  { mode: "basic", when: (failed, { residency }) => !capabilitiesAfter(failed, residency).canSearchText },
  { mode: "no_rerank", when: (failed) => failed.has("reranker") },
  { mode: "no_rewrite", when: (failed) => failed.has("language_model") },
  { mode: "full", when: () => true },
];

export function modeFor(failed: ReadonlySet<Role>, need: ModeNeed): Mode {
  return MODE_TABLE.find(({ when }) => when(failed, need))?.mode ?? "down";
}

/** What failed services leave. A resident index needs no store. */
export function capabilitiesAfter(failed: ReadonlySet<Role>, residency: Residency): Capabilities {
  const isResident = residency === "resident";
  return {
    canEmbed: !failed.has("embedding"),
    canSearchVectors: isResident || !failed.has("vector_store"),
    canSearchText: isResident || !failed.has("lexical_index"),
  };
}

/** What an operator's mode leaves. A query's own vector is searched by in every mode that searches vectors. */
export function capabilitiesIn(mode: Mode): Capabilities {
  switch (mode) {
    case "full":
    case "no_rewrite":
    case "no_rerank":
      return { canEmbed: true, canSearchVectors: true, canSearchText: true };
    case "basic":
      return { canEmbed: true, canSearchVectors: true, canSearchText: false };
    case "lexical":
      return { canEmbed: false, canSearchVectors: false, canSearchText: true };
    case "stale":
    case "down":
      return { canEmbed: false, canSearchVectors: false, canSearchText: false };
  }
}

/** Whether a failed role is felt by a collection at all. */
export function concerns(role: Role, residency: Residency): boolean {
  return residency === "store" || (role !== "vector_store" && role !== "lexical_index");
}
