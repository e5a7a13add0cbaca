import { z } from "zod";
import type { Hit } from "../../actors/retriever/search.ts";
import { nameSchema, textSchema } from "./text.ts";
import { describe, refuse, validate } from "./validate.ts";

/** Dify's comparisons that attributes have; its others, such as `contains`, no store answers alike. */
const OPERATORS = {
  is: "eq",
  "=": "eq",
  "is not": "ne",
  "≠": "ne",
  ">": "gt",
  "<": "lt",
  "≥": "gte",
  "≤": "lte",
  in: "in",
  "not in": "nin",
} as const;
type Operator = keyof typeof OPERATORS;

const MAX_TOP_K = 100;
const MAX_CONDITIONS = 64;

const valueSchema = z.union([z.string(), z.number(), z.boolean()]);

export const retrievalRequestSchema = z
  .object({
    knowledge_id: nameSchema.describe("A collection, or an alias of it"),
    query: textSchema(100_000).min(1),
    retrieval_setting: z.object({
      top_k: z.int().min(1).max(MAX_TOP_K),
      score_threshold: z.number().min(0).max(1).default(0),
    }),
    metadata_condition: z
      .object({
        logical_operator: z.enum(["and", "or"]).default("and"),
        conditions: z
          .array(
            z.object({
              name: z.union([z.string(), z.array(z.string()).length(1)]).describe("An attribute of the documents"),
              comparison_operator: z.string().describe(Object.keys(OPERATORS).join(", ")),
              value: z.union([valueSchema, z.array(valueSchema)]).optional(),
            }),
          )
          .max(MAX_CONDITIONS),
      })
      .nullish(),
  })
  .meta({ id: "DifyRetrievalRequest" });

export interface Retrieval {
  readonly collection: string;
  readonly query: string;
  readonly topK: number;
  readonly scoreThreshold: number;
  /** Kennel's own filter, not yet checked; null: none. */
  readonly filters: object | null;
}

/** Throws `invalid_request` with the field at fault. */
export function parseRetrieval(body: unknown): Retrieval {
  const wire = validate(retrievalRequestSchema, body);
  if (wire.query.trim() === "") throw refuse("query", "is empty", "a question");
  return {
    collection: wire.knowledge_id,
    query: wire.query,
    topK: wire.retrieval_setting.top_k,
    scoreThreshold: wire.retrieval_setting.score_threshold,
    filters: toFilters(wire.metadata_condition),
  };
}

function toFilters(condition: z.output<typeof retrievalRequestSchema>["metadata_condition"]): object | null {
  if (condition == null || condition.conditions.length === 0) return null;
  const filters = condition.conditions.map(({ name, comparison_operator: operator, value }, place) => {
    if (!Object.hasOwn(OPERATORS, operator)) {
      const param = `metadata_condition.conditions[${place}].comparison_operator`;
      throw refuse(param, `is ${describe(operator)}`, Object.keys(OPERATORS).join(", "));
    }
    return { type: OPERATORS[operator as Operator], key: typeof name === "string" ? name : name[0], value };
  });
  return { type: condition.logical_operator, filters };
}

export const retrievalAnswerSchema = z
  .object({
    records: z.array(
      z.object({
        content: z.string(),
        score: z.number().min(0).max(1),
        title: z.string(),
        metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).describe("Attributes, document_id and url"),
      }),
    ),
  })
  .meta({ id: "DifyRetrievalAnswer" });

export function toRecords(hits: readonly Hit[]): z.output<typeof retrievalAnswerSchema> {
  return {
    records: hits.map((hit) => ({
      content: hit.text ?? "",
      score: hit.score,
      title: hit.title === "" ? hit.document_id : hit.title,
      metadata: { ...hit.attributes, document_id: hit.document_id, url: hit.url },
    })),
  };
}
