import { z } from "zod";
import type { EvaluationRequest, QueryToJudge, StrategyEvaluation } from "../../actors/retriever/evaluation/evaluation.ts";
import { PLAIN_STRATEGIES, STRATEGIES, type Strategy } from "../../actors/retriever/search.ts";
import { fusionSchema, toFusion } from "./collections.ts";
import { checkedEnsemble, ensembleSchema } from "./strategies.ts";
import { documentIdSchema, textSchema } from "./text.ts";
import { refuse, strictObject, validate } from "./validate.ts";

const MAX_QUERIES = 1_000;
const MAX_QUERY_LENGTH = 10_000;
/** Judged documents of one query. */
const MAX_JUDGEMENTS = 10_000;
/** Beyond it the gain 2^grade would drown every other. */
const MAX_GRADE = 30;

const judgedQuerySchema = strictObject({
  query: textSchema(MAX_QUERY_LENGTH).describe("The question"),
  relevant: z
    .record(documentIdSchema, z.int().min(0).max(MAX_GRADE))
    .describe("Grades by document id, 0 is not relevant; a document that is left out counts as 0"),
});

export const judgedQueriesSchema = z.array(judgedQuerySchema).min(1).max(MAX_QUERIES);

export const evaluationRequestSchema = strictObject({
  queries: judgedQueriesSchema.describe("Questions with what is relevant to them"),
  strategies: z
    .array(z.enum(STRATEGIES))
    .min(1)
    .max(STRATEGIES.length)
    .optional()
    .describe("Those that need no language model unless given"),
  ensemble: ensembleSchema.optional(),
  fusion: fusionSchema.optional().describe("The collection's own unless given"),
}).meta({ id: "EvaluationRequest" });

const intervalSchema = z
  .object({ mean: z.number(), low: z.number(), high: z.number() })
  .meta({ id: "Interval", description: "Mean over the queries, and its 95 % bootstrap interval; 0 to 1" });

export const evaluationSchema = z
  .object({
    object: z.literal("evaluation"),
    collection: z.string(),
    index_version: z.int().describe("The least that answered"),
    queries: z.int(),
    data: z
      .array(
        z.object({
          strategy: z.enum(STRATEGIES),
          ndcg_10: intervalSchema,
          map: intervalSchema,
          mrr_10: intervalSchema,
          recall_100: intervalSchema,
          degraded: z.int().describe("Answers that a part was missing from; above 0 the figures are not the collection's"),
        }),
      )
      .describe("One entry a strategy, in the order asked for"),
  })
  .meta({ id: "Evaluation" });

export function parseEvaluation(collection: string, body: unknown): EvaluationRequest {
  const wire = validate(evaluationRequestSchema, body);
  const queries = toJudgedQueries(wire.queries, "queries");
  const strategies: readonly Strategy[] = [
    ...new Set(wire.strategies ?? [...PLAIN_STRATEGIES, ...(wire.ensemble === undefined ? [] : ["ensemble" as const])]),
  ];
  if (strategies.includes("ensemble") && wire.ensemble === undefined)
    throw refuse("ensemble", "is missing", "a list of strategies with weights, which the strategy ensemble is made of");
  const ensemble = wire.ensemble === undefined ? [] : checkedEnsemble(wire.ensemble, "ensemble");
  return { collection, queries, strategies, ensemble, fusion: wire.fusion === undefined ? null : toFusion(wire.fusion) };
}

/** @param param where the questions stand in the body */
export function toJudgedQueries(wire: z.output<typeof judgedQueriesSchema>, param: string): readonly QueryToJudge[] {
  return wire.map(({ query, relevant }, at) => {
    if (query.trim() === "") throw refuse(`${param}[${at}].query`, "is empty", "a question");
    const grades = Object.entries(relevant);
    if (grades.length > MAX_JUDGEMENTS)
      throw refuse(`${param}[${at}].relevant`, `has ${grades.length} documents`, `at most ${MAX_JUDGEMENTS}`);
    if (!grades.some(([, grade]) => grade > 0))
      throw refuse(`${param}[${at}].relevant`, "has no relevant document", "at least one with a grade above 0");
    return { query, judgements: new Map(grades) };
  });
}

export function fromEvaluation({ collection, queries }: EvaluationRequest, results: readonly StrategyEvaluation[]) {
  return {
    object: "evaluation" as const,
    collection,
    index_version: Math.min(...results.map(({ indexVersion }) => indexVersion)),
    queries: queries.length,
    data: results.map(({ strategy, figures, degraded }) => ({ strategy, ...figures, degraded })),
  };
}
