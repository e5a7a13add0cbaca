import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { DEFAULT_OPTIONS, ENSEMBLE_PARTS, type Strategy, type StrategyOptions } from "../../actors/retriever/search.ts";
import { refuse, strictObject } from "./validate.ts";

const MAX_WEIGHT = 1_000;
const MAX_SUB_QUERIES = 8;

export const ensembleSchema = z
  .array(
    strictObject({
      strategy: z.enum(ENSEMBLE_PARTS),
      weight: z.number().gt(0).max(MAX_WEIGHT).default(1).describe("What counts is its share of all weights"),
    }),
  )
  .min(1)
  .max(ENSEMBLE_PARTS.length)
  .meta({ id: "Ensemble", description: "What ensemble is made of, each strategy once" });

/** What a search can say about its strategy beside its name. */
export const strategyFields = {
  strategies: ensembleSchema.optional(),
  sub_queries: z
    .int()
    .min(1)
    .max(MAX_SUB_QUERIES)
    .optional()
    .describe("Questions that the language model writes for multi_query, beside the one that was asked: 3 unless given"),
  rerank_weight: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      "Share of the reranker's score; the rest is the first ranking's. Below 1 both are min-max scaled. The node's own unless given",
    ),
  deduplicate: z.boolean().optional().describe("true: hits that say what a better one says are left out"),
  mmr: strictObject({ diversity: z.number().min(0).max(1).describe("0: the most relevant hits, 1: the most different ones") })
    .nullish()
    .describe("The hits are chosen by maximal marginal relevance out of 50, or twice top_k; they stay in the order of their scores"),
  merge_neighbors: z
    .boolean()
    .optional()
    .describe("true: hits that stand next to one another in a document become one, with the best one's id and score and the text of all"),
};

type WireOptions = z.output<z.ZodObject<typeof strategyFields>>;

/** Where nothing is asked for, always the same object. Throws `invalid_request` for what does not belong to the strategy. */
export function toStrategyOptions(wire: WireOptions & { readonly rerank: boolean }, strategy: Strategy): StrategyOptions {
  const ensemble = toEnsemble(wire.strategies, strategy);
  const { sub_queries: subQueries } = wire;
  const asksMore = strategy === "multi_query" || ensemble.some((part) => part.strategy === "multi_query");
  if (subQueries !== undefined && !asksMore)
    throw refuse("sub_queries", `is ${subQueries}`, `nothing for ${strategy}; multi_query takes it`);
  if (wire.rerank_weight !== undefined && !wire.rerank) throw refuse("rerank_weight", `is ${wire.rerank_weight}`, "nothing without rerank");
  const options: StrategyOptions = {
    ensemble,
    subQueries: subQueries ?? DEFAULT_OPTIONS.subQueries,
    rerankWeight: wire.rerank_weight ?? null,
    deduplicate: wire.deduplicate ?? false,
    diversity: wire.mmr?.diversity ?? null,
    mergeNeighbors: wire.merge_neighbors ?? false,
  };
  return isDeepStrictEqual(options, DEFAULT_OPTIONS) ? DEFAULT_OPTIONS : options;
}

function toEnsemble(parts: z.output<typeof ensembleSchema> | undefined, strategy: Strategy): StrategyOptions["ensemble"] {
  if (strategy !== "ensemble") {
    if (parts === undefined) return [];
    throw refuse("strategies", `is a list of ${parts.length}`, `nothing for ${strategy}; ensemble takes it`);
  }
  if (parts === undefined) throw refuse("strategies", "is missing", "a list of strategies with weights, which ensemble is made of");
  return checkedEnsemble(parts, "strategies");
}

/** Throws `invalid_request` where a strategy stands twice. @param param the field's name */
export function checkedEnsemble(parts: z.output<typeof ensembleSchema>, param: string): StrategyOptions["ensemble"] {
  const seen = new Set<string>();
  for (const [at, { strategy }] of parts.entries()) {
    if (seen.has(strategy)) throw refuse(`${param}[${at}].strategy`, `is "${strategy}" again`, "each strategy once");
    seen.add(strategy);
  }
  return parts;
}
