import type { BuildSettings } from "./collection_record.ts";
import type { JobRecord } from "./job_record.ts";

/** A build of a collection's index beside the active one. */
export type IndexVersion =
  /** A reindex job makes it; every write of a document goes to it as well. */
  | {
      readonly kind: "building";
      readonly version: number;
      readonly build: BuildSettings;
      readonly jobId: string;
      /** The last document, in order of ids, that it holds of those that were there before; null: none yet. */
      readonly through: string | null;
      /** The active build is missing or lacks rows: what is found meanwhile is not all there is. */
      readonly isRepair: boolean;
    }
  /** Complete and not searched; every write of a document goes to it as well, so that a switch to it loses nothing. */
  | {
      readonly kind: "standby";
      readonly version: number;
      readonly build: BuildSettings;
      /** The job that made it, or the one whose build took its place. */
      readonly jobId: string;
      /** False: a build that is held back until someone says that it is to be switched to. */
      readonly wasActive: boolean;
      /** Wall time at which it is retired; null: when told. */
      readonly keepUntilMs: number | null;
    }
  /** Another took its place, or its job was given up; it is dropped after a grace unless an alias pins it. */
  | {
      readonly kind: "retired";
      readonly version: number;
      readonly build: BuildSettings;
      /** 0: it was never active. */
      readonly retiredAtMs: number;
    };

/** What is to become of a build once it is complete. */
export interface ReindexPlan {
  /** `auto`: it becomes the active one unless the comparison finds it worse; `manual`: it is held back; `always`: it becomes the active one. */
  readonly switch: (typeof SWITCHES)[number];
  /** How long the build that is not searched then is kept up; null: until told; 0: not at all. */
  readonly keepMs: number | null;
  /** Null: nothing is compared. */
  readonly compare: ComparisonPlan | null;
}

export const SWITCHES = ["auto", "manual", "always"] as const;

export interface ComparisonPlan {
  /** Questions with grades by document id; null: what was asked most of late. */
  readonly judged: readonly { readonly query: string; readonly grades: Readonly<Record<string, number>> }[] | null;
  /** With which judged questions are asked. */
  readonly strategy: string;
  /** For whom judged questions are asked: grades would else tell what documents hold that who began the reindex does not see; absent: all are seen. */
  readonly principals?: readonly string[];
  /** By how much the mean nDCG@10 may fall, 0..1. */
  readonly margin: number;
  /** Least mean overlap of the first ten documents where nothing is judged, 0..1. */
  readonly minOverlap: number;
  /** Most questions asked of late that are asked again. */
  readonly maxQueries: number;
}

/** How two builds of a collection answered the same questions. */
export interface BuildComparison {
  readonly basis: "judged" | "recent";
  /** Questions that both builds have answered. */
  readonly queries: number;
  /** Questions that the active build could not answer. */
  readonly failed: number;
  /** Mean nDCG@10 of each and the 95 % interval of the mean difference; null: nothing is judged. */
  readonly ndcg10: {
    readonly before: number;
    readonly after: number;
    readonly difference: { readonly mean: number; readonly low: number; readonly high: number };
  } | null;
  /** Mean share of the first ten documents that both have. */
  readonly overlap10: number;
  /** Mean rank-biased overlap of the first ten, p = 0.9. */
  readonly rankBiasedOverlap: number;
  /** Mean change of the score of documents that both have among the first ten; null: there are none. */
  readonly scoreShift: number | null;
  /** Questions that had hits before and have none now. */
  readonly emptied: number;
  readonly isWorse: boolean;
}

/** What became of a complete build. */
export interface ReindexOutcome {
  readonly decision: "switched" | "held";
  readonly reason: "always" | "manual" | "not_worse" | "worse" | "nothing_to_compare";
  readonly comparison: BuildComparison | null;
}

/** One page of a reindex, in order of ids. */
export interface ReindexProgress {
  /** The page's last document. */
  readonly through: string;
  readonly indexed: number;
  readonly skipped: number;
  readonly failed: number;
  readonly chunks: number;
  readonly failures: JobRecord["failures"];
}
