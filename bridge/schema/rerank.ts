import { z } from "zod";
import { textSchema } from "./text.ts";
import { validate } from "./validate.ts";

const MAX_DOCUMENTS = 1_000;
const MAX_TEXT_LENGTH = 100_000;

const documentSchema = textSchema(MAX_TEXT_LENGTH);

export const rerankRequestSchema = z
  .object({
    model: z.string().min(1).max(128).optional().describe("The node's reranker unless given"),
    query: textSchema(MAX_TEXT_LENGTH).min(1),
    documents: z
      .array(z.union([documentSchema, z.object({ text: documentSchema })]))
      .min(1)
      .max(MAX_DOCUMENTS),
    top_n: z.int().min(1).nullish().describe("Results in the answer; all unless given"),
  })
  .meta({ id: "RerankRequest" });

export interface RerankRequest {
  readonly model: string | null;
  readonly query: string;
  readonly documents: readonly string[];
  readonly topN: number;
}

/** Throws `invalid_request` with the field at fault. */
export function parseRerank(body: unknown): RerankRequest {
  const wire = validate(rerankRequestSchema, body);
  return {
    model: wire.model ?? null,
    query: wire.query,
    documents: wire.documents.map((document) => (typeof document === "string" ? document : document.text)),
    topN: Math.min(wire.top_n ?? wire.documents.length, wire.documents.length),
  };
}

export const rerankAnswerSchema = z
  .object({
    id: z.string().describe("The request's id"),
    results: z
      .array(
        z.object({
          index: z.int().describe("The document's place in the request"),
          relevance_score: z.number().min(0).max(1),
        }),
      )
      .describe("Best first"),
    meta: z.object({ api_version: z.object({ version: z.string() }), billed_units: z.object({ search_units: z.int() }) }),
  })
  .meta({ id: "RerankAnswer" });

/** @param scores one a document; equal ones keep the documents' order */
export function fromScores(id: string, scores: readonly number[], topN: number): z.output<typeof rerankAnswerSchema> {
  const results = scores.map((score, index) => ({ index, relevance_score: score }));
  results.sort((a, b) => b.relevance_score - a.relevance_score || a.index - b.index);
  return { id, results: results.slice(0, topN), meta: { api_version: { version: "2" }, billed_units: { search_units: 0 } } };
}
