import type { Endpoint } from "../../../transport/transport.ts";
import type { FusionSettings } from "../../document_store/collection_record.ts";
import type { Degradation, EncodedAnswer, Hit, Mode, SearchRequest } from "../search.ts";

/** One question to several collections. */
export interface AcrossRequest {
  /** One a collection, in the order in which equal hits stand; the same but for collection and filter. 1..16. */
  readonly searches: readonly SearchRequest[];
  /** One for all, so that their scores can be compared. */
  readonly fusion: FusionSettings;
}

export interface AcrossHit extends Hit {
  /** As it was asked for. */
  readonly collection: string;
}

export interface AcrossDegradation extends Degradation {
  readonly collection: string;
}

export type PartAnswer = Pick<EncodedAnswer["rest"], "mode" | "cache" | "index_version" | "freshness"> & { readonly collection: string };

/** The answer as it travels: its fields are the wire's, in snake case. */
export interface AcrossAnswer {
  readonly object: "list";
  /** Best first; scores are of one scale, whatever the collection. */
  readonly data: readonly AcrossHit[];
  /** The worst of the collections that have answered. */
  readonly mode: Mode;
  /** With stage `collection` those that have not answered. */
  readonly degradations: readonly AcrossDegradation[];
  readonly timings_ms: { readonly total: number };
  /** Those that have answered. */
  readonly collections: readonly PartAnswer[];
}

export const SEARCH_ACROSS: Endpoint<AcrossRequest, AcrossAnswer> = { name: "search_across" };
