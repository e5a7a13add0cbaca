import { z } from "zod";
import type { BuildSettings } from "../../actors/document_store/collection_record.ts";
import { type ComparisonPlan, type ReindexPlan, SWITCHES } from "../../actors/document_store/index_version.ts";
import { PLAIN_STRATEGIES } from "../../actors/retriever/search.ts";
import { type CollectionChoices, collectionSettingsSchema, refuseOther, toChunking } from "./collections.ts";
import { judgedQueriesSchema, toJudgedQueries } from "./evaluations.ts";
import { strictObject, validate } from "./validate.ts";

/** What holds where a request says nothing. */
export interface ReindexDefaults {
  readonly margin: number;
  readonly minOverlap: number;
  readonly compareQueries: number;
  readonly keepMs: number;
}

const MAX_KEEP_S = 2_592_000;
const keepSchema = z
  .int()
  .min(0)
  .max(MAX_KEEP_S)
  .nullish()
  .describe("How long the build that is not searched then is kept up, so that one call leads back; null: until told, 0: not at all");

const compareSchema = strictObject({
  queries: judgedQueriesSchema
    .optional()
    .describe(
      "Questions with what is relevant to them. Without them the ones asked most of late are asked, and how alike the answers are is measured",
    ),
  strategy: z.enum(PLAIN_STRATEGIES).optional().describe("With which judged questions are asked; hybrid unless given"),
  margin: z.number().min(0).max(1).optional().describe("By how much the mean nDCG@10 may fall"),
  min_overlap: z.number().min(0).max(1).optional().describe("Least mean overlap of the first ten documents where nothing is judged"),
}).meta({ id: "BuildComparisonRequest" });

/** Settings that an index is built with, and what is to become of it. */
export const reindexSettingsSchema = strictObject({
  language: collectionSettingsSchema.shape.language,
  embedding: collectionSettingsSchema.shape.embedding,
  chunking: collectionSettingsSchema.shape.chunking,
  switch: z
    .enum(SWITCHES)
    .optional()
    .describe("auto: searches go to the new build unless it is found worse; manual: it is held until told; always. auto unless given"),
  keep_seconds: keepSchema,
  compare: compareSchema.optional(),
}).meta({ id: "ReindexSettings" });

/** What the body leaves out stays as it is. Throws `invalid_request` with the field at fault. */
export function parseReindex(
  body: unknown,
  settings: BuildSettings,
  choices: CollectionChoices,
  defaults: ReindexDefaults,
): { readonly build: BuildSettings; readonly plan: ReindexPlan } {
  const wire = validate(reindexSettingsSchema, body);
  refuseOther("language", wire.language, choices.languages);
  refuseOther("embedding", wire.embedding, choices.embeddings);
  const build = {
    language: wire.language ?? settings.language,
    embedding: wire.embedding ?? settings.embedding,
    chunking: wire.chunking === undefined ? settings.chunking : toChunking(wire.chunking, settings.chunking),
  };
  const policy = wire.switch ?? "auto";
  const isCompared = wire.compare !== undefined || policy !== "always";
  const plan = {
    switch: policy,
    keepMs: toKeepMs(wire.keep_seconds, defaults),
    compare: isCompared ? toComparison(wire.compare ?? {}, defaults) : null,
  };
  return { build, plan };
}

function toComparison(wire: z.output<typeof compareSchema>, defaults: ReindexDefaults): ComparisonPlan {
  return {
    judged:
      wire.queries === undefined
        ? null
        : toJudgedQueries(wire.queries, "compare.queries").map(({ query, judgements }) => ({
            query,
            grades: Object.fromEntries(judgements),
          })),
    strategy: wire.strategy ?? "hybrid",
    margin: wire.margin ?? defaults.margin,
    minOverlap: wire.min_overlap ?? defaults.minOverlap,
    maxQueries: defaults.compareQueries,
  };
}

function toKeepMs(seconds: number | null | undefined, { keepMs }: ReindexDefaults): number | null {
  return seconds === undefined ? keepMs : seconds === null ? null : seconds * 1_000;
}

export const switchSchema = strictObject({
  version: z.int().min(1).optional().describe("The build to search from now on; the one that is held or kept unless given"),
  keep_seconds: keepSchema,
}).meta({ id: "SwitchRequest" });

export function parseSwitch(body: unknown, defaults: ReindexDefaults): { readonly version: number | null; readonly keepMs: number | null } {
  const wire = validate(switchSchema, body);
  return { version: wire.version ?? null, keepMs: toKeepMs(wire.keep_seconds, defaults) };
}
