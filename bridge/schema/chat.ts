import { z } from "zod";
import type { ChatQuestion } from "../../actors/chat/chat.ts";
import type { AttributeSchema } from "../../actors/vector_store/filter.ts";
import { toFilter, uncheckedFilterSchema } from "./filters.ts";
import { nameSchema, textSchema } from "./text.ts";
import { refuse } from "./validate.ts";

const MAX_MESSAGES = 2_000;
const MAX_TEXT_LENGTH = 1_048_576;
const MAX_TOP_K = 50;
const DEFAULT_TOP_K = 8;
const MAX_ANSWER_TOKENS = 128_000;

const text = textSchema(MAX_TEXT_LENGTH);
const content = z.union([text, z.array(z.object({ type: z.literal("text"), text })).max(1_000)]);

/** Fields of OpenAI's that are not listed are ignored, as its clients expect. */
export const chatRequestSchema = z
  .object({
    model: nameSchema.describe("The collection, or an alias of it, to answer from"),
    messages: z
      .array(z.object({ role: z.enum(["system", "developer", "user", "assistant"]), content: content.nullish() }))
      .min(1)
      .max(MAX_MESSAGES)
      .describe("The conversation; its last message is the user's question"),
    stream: z.boolean().nullish().describe("The answer as server-sent events, as it is written"),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: z.int().min(1).max(MAX_ANSWER_TOKENS).nullish(),
    max_completion_tokens: z.int().min(1).max(MAX_ANSWER_TOKENS).nullish().describe("Longest answer in tokens; goes before max_tokens"),
    temperature: z.number().min(0).max(2).nullish(),
    top_k: z.int().min(1).max(MAX_TOP_K).default(DEFAULT_TOP_K).describe("Passages to answer from; Kennel's own field"),
    filters: uncheckedFilterSchema.nullish(),
  })
  .meta({ id: "ChatCompletionRequest" });

/** Throws `invalid_request` for what the schema cannot see. */
export function toChatQuestion(wire: z.output<typeof chatRequestSchema>, attributes: AttributeSchema): ChatQuestion {
  const messages = wire.messages.map(({ role, content: given }) => ({
    role: role === "developer" ? ("system" as const) : role,
    content: typeof given === "string" ? given : (given ?? []).map((part) => part.text).join("\n"),
  }));
  const at = messages.length - 1;
  const last = messages[at];
  if (last?.role !== "user") throw refuse(`messages[${at}].role`, `is "${wire.messages[at]?.role}"`, "user, in the last message");
  if (last.content.trim() === "") throw refuse(`messages[${at}].content`, "is empty", "a question");
  return {
    collection: wire.model,
    messages,
    topK: wire.top_k,
    filter: toFilter(wire.filters, attributes),
    maxTokens: wire.max_completion_tokens ?? wire.max_tokens ?? null,
    temperature: wire.temperature ?? null,
  };
}

const annotationSchema = z.object({
  type: z.literal("url_citation"),
  url_citation: z.object({
    start_index: z.int().describe("Of the mark in the answer, in UTF-16 units"),
    end_index: z.int(),
    title: z.string(),
    url: z.string(),
  }),
  document_id: z.string(),
  chunk_id: z.string(),
  passage_range: z.object({ start: z.int(), end: z.int() }).describe("Of the words in the passage's text, in UTF-16 units"),
  quote: z.string().describe("Those words"),
});

export const chatAnswerSchema = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion"),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal("assistant"),
          content: z.string(),
          refusal: z.null(),
          annotations: z.array(annotationSchema),
        }),
        finish_reason: z.enum(["stop", "length", "content_filter"]),
        logprobs: z.null(),
      }),
    ),
    usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }),
  })
  .meta({ id: "ChatCompletion" });

export type WireAnnotation = z.output<typeof annotationSchema>;
