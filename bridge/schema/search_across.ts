import { z } from "zod";
import type { CollectionRecord } from "../../actors/document_store/collection_record.ts";
import type { AcrossRequest } from "../../actors/retriever/across/across.ts";
import { MODES, PLAIN_STRATEGIES, type SearchRequest } from "../../actors/retriever/search.ts";
import { hitSchema, parseSearch, searchAnswerSchema, searchRequestSchema } from "./search.ts";
import { nameSchema } from "./text.ts";
import { refuse, strictObject, validate } from "./validate.ts";

const MAX_COLLECTIONS = 16;
const { query, vector, top_k, candidate_k, filters, fusion, group_by, score_threshold, timeout_ms, allow_degraded, include } =
  searchRequestSchema.shape;

export const acrossRequestSchema = strictObject({
  collections: z.array(nameSchema).min(1).max(MAX_COLLECTIONS).describe("Collections or aliases, each once"),
  query,
  vector,
  strategy: z.enum(PLAIN_STRATEGIES).optional().describe("hybrid unless given; vector with a vector and no query"),
  top_k,
  candidate_k,
  filters,
  fusion: fusion.describe("One for all; the first collection's own unless given"),
  group_by,
  score_threshold,
  timeout_ms,
  allow_degraded,
  include,
}).meta({ id: "AcrossRequest", anyOf: [{ required: ["query"] }, { required: ["vector"] }] });

/** Throws `invalid_request` with the field at fault. */
export function parseAcross(body: unknown): {
  readonly timeoutMs: number | null;
  /** @param resolve the collection of a name; throws for one that there is not */
  toRequest(resolve: (name: string, param: string) => CollectionRecord, useCache: boolean): AcrossRequest;
} {
  const { collections, ...wire } = validate(acrossRequestSchema, body);
  const repeated = collections.findIndex((name, at) => collections.indexOf(name) !== at);
  if (repeated >= 0) throw refuse(`collections[${repeated}]`, `is "${collections[repeated]}" again`, "each collection once");
  const search = parseSearch(wire);
  return {
    timeoutMs: search.timeoutMs,
    toRequest: (resolve, useCache) => {
      const records = collections.map((name, at) => resolve(name, `collections[${at}]`));
      const searches = records.map((record, at): SearchRequest => search.toRequest(collections[at] as string, record.attributes, useCache));
      return { searches, fusion: searches[0]?.fusion ?? (records[0] as CollectionRecord).settings.fusion };
    },
  };
}

const ofCollection = { collection: z.string().describe("As it was asked for") };
const answer = searchAnswerSchema.shape;

export const acrossAnswerSchema = z
  .object({
    object: z.literal("list"),
    data: z.array(hitSchema.extend(ofCollection).meta({ id: "AcrossHit" })).describe("Best first; scores are of one scale"),
    mode: z.enum(MODES).describe("The worst of the collections that have answered"),
    degradations: z
      .array(answer.degradations.element.extend(ofCollection))
      .describe("What is missing from a full answer; with the stage collection, one that has not answered"),
    timings_ms: z.object({ total: z.number() }),
    collections: z
      .array(
        z.object({
          ...ofCollection,
          mode: answer.mode,
          cache: answer.cache,
          index_version: answer.index_version,
          freshness: answer.freshness,
        }),
      )
      .describe("Those that have answered"),
  })
  .meta({ id: "AcrossAnswer" });
