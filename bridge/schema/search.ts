import { z } from "zod";
import { INCLUDES, MODES, type SearchRequest, STRATEGIES } from "../../actors/retriever/search.ts";
import type { AttributeSchema } from "../../actors/vector_store/filter.ts";
import { fusionSchema, toFusion } from "./collections.ts";
import { toFilter, uncheckedFilterSchema } from "./filters.ts";
import { strategyFields, toStrategyOptions } from "./strategies.ts";
import { textSchema } from "./text.ts";
import { refuse, strictObject, validate } from "./validate.ts";
import { vectorSchema } from "./vectors.ts";

const MAX_TOP_K = 1_000;
const MAX_QUERY_LENGTH = 100_000;
const DEFAULT_TOP_K = 10;
const DEFAULT_CANDIDATE_K = 100;
/** Longest time a caller may ask for. */
const MAX_TIMEOUT_MS = 600_000;

export const searchRequestSchema = strictObject({
  query: textSchema(MAX_QUERY_LENGTH).optional().describe("The question; one of query and vector is needed"),
  vector: vectorSchema
    .optional()
    .describe("The question as a vector of the collection's model; its length does not matter, its direction does"),
  strategy: z.enum(STRATEGIES).optional().describe("hybrid unless given; vector with a vector and no query"),
  ...strategyFields,
  top_k: z.int().min(1).max(MAX_TOP_K).default(DEFAULT_TOP_K).describe("Hits in the answer"),
  candidate_k: z.int().min(1).max(MAX_TOP_K).optional().describe("Candidates each branch brings up: 100, or top_k where that is more"),
  filters: uncheckedFilterSchema.optional(),
  fusion: fusionSchema.optional().describe("The collection's own unless given"),
  group_by: z.literal("document").nullish().describe("document: at most one hit a document, its best"),
  score_threshold: z.number().min(0).max(1).nullish().describe("Hits with a lower score are left out"),
  rerank: z
    .boolean()
    .default(false)
    .describe(
      "Ranks the first 50 hits, or top_k where that is more, anew by the node's reranker, or by its second embedding model; needs a query",
    ),
  timeout_ms: z.int().min(1).max(MAX_TIMEOUT_MS).optional().describe("The smaller of this and X-Request-Timeout-Ms holds"),
  allow_degraded: z.boolean().optional().describe("false turns a degraded answer into an error; the collection's own unless given"),
  min_version: z.int().min(0).nullish().describe("The answer holds this index version or a later one"),
  include: z.array(z.enum(INCLUDES)).max(INCLUDES.length).optional().describe("Optional fields of a hit; all of them unless given"),
  explain: z.boolean().default(false).describe("Adds how the answer came about"),
}).meta({ id: "SearchRequest", anyOf: [{ required: ["query"] }, { required: ["vector"] }] });

type WireSearch = z.output<typeof searchRequestSchema>;

/** A search body that has been checked in everything but its filter, which needs the collection's attributes. */
export interface ParsedSearch {
  readonly timeoutMs: number | null;
  toRequest(collection: string, attributes: AttributeSchema, useCache: boolean): SearchRequest;
}

export function parseSearch(body: unknown): ParsedSearch {
  const wire = validate(searchRequestSchema, body);
  const strategy = strategyOf(wire);
  const options = toStrategyOptions(wire, strategy);
  const candidateK = wire.candidate_k ?? Math.max(DEFAULT_CANDIDATE_K, wire.top_k);
  if (candidateK < wire.top_k) throw refuse("candidate_k", `is ${candidateK}`, `at least top_k, ${wire.top_k}`);
  return {
    timeoutMs: wire.timeout_ms ?? null,
    toRequest: (collection, attributes, useCache) => ({
      collection,
      query: wire.query ?? null,
      vector: wire.vector ?? null,
      strategy,
      options,
      topK: wire.top_k,
      candidateK,
      filter: toFilter(wire.filters, attributes),
      fusion: wire.fusion === undefined ? null : toFusion(wire.fusion),
      groupBy: wire.group_by ?? null,
      scoreThreshold: wire.score_threshold ?? null,
      rerank: wire.rerank,
      allowDegraded: wire.allow_degraded ?? null,
      minVersion: wire.min_version ?? null,
      include: wire.include ?? INCLUDES,
      explain: wire.explain,
      useCache,
    }),
  };
}

function strategyOf(wire: WireSearch): SearchRequest["strategy"] {
  const hasQuery = wire.query !== undefined && wire.query.trim() !== "";
  if (!hasQuery && wire.vector === undefined) {
    throw refuse("query", wire.query === undefined ? "is missing" : "is empty", "a question, or a vector in its place");
  }
  const strategy = wire.strategy ?? (hasQuery ? "hybrid" : "vector");
  if (!hasQuery && strategy !== "vector")
    throw refuse("query", "is missing", `a question for the strategy ${strategy}; only vector goes without`);
  if (!hasQuery && wire.rerank) throw refuse("query", "is missing", "a question, which rerank reads with each text");
  return strategy;
}

const scoresSchema = z.record(z.string(), z.number());

export const hitSchema = z
  .object({
    id: z.string().describe("The passage's id: document_id#ordinal"),
    document_id: z.string(),
    parent_id: z.string().nullable(),
    title: z.string(),
    url: z.string(),
    score: z.number().min(0).max(1).describe("Falls along the list"),
    score_type: z.enum(["weighted", "rrf", "cosine", "bm25", "rerank"]),
    text: z.string().optional(),
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
    ranks: scoresSchema
      .optional()
      .describe(
        "Rank from 1 in each list that has the passage: vector, bm25; hyde; vector_1, bm25_1 for the first further question of multi_query; rerank",
      ),
    scores: scoresSchema.optional().describe("Raw scores of the same lists, and what fusion made of them"),
  })
  .meta({ id: "Hit" });

export const searchAnswerSchema = z
  .object({
    object: z.literal("list"),
    data: z.array(hitSchema).describe("Best first"),
    mode: z.enum(MODES).describe("Which stages could run"),
    degradations: z
      .array(
        z.object({
          stage: z.string(),
          reason: z.string().describe("An error code, skipped_for_deadline, not_configured, shed, forced or index_incomplete"),
          service: z.string(),
          breaker: z.enum(["closed", "open", "half_open"]),
        }),
      )
      .describe("What is missing from a full answer, and why; empty: nothing"),
    timings_ms: z.record(z.string(), z.number()),
    cache: z.enum(["hit", "miss", "coalesced", "off"]),
    index_version: z.int(),
    freshness: z.object({ index: z.enum(["store", "resident"]), age_ms: z.number() }),
    explain: z.unknown().optional(),
  })
  .meta({ id: "SearchAnswer" });
