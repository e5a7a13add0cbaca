import type { ChatMessage, ChatUsage, LanguageModel } from "../language_model/language_model.ts";
import { cut, visibleText } from "../language_model/quoting.ts";
import { recent } from "./prompt.ts";

const RULES =
  "Rewrite the last question so that it can be understood without the conversation: replace what points back to it by what is meant. " +
  "Answer with the question alone, in its language.";
const MAX_HISTORY_TOKENS = 1_000;
const MAX_HISTORY_MESSAGES = 20;
const MAX_QUESTION_TOKENS = 500;
const MAX_REWRITTEN_TOKENS = 128;
const MAX_REWRITTEN_LENGTH = 1_000;

export interface Rewritten {
  readonly query: string;
  readonly usage: ChatUsage | null;
}

/** Whether a question can point back to anything. */
export function hasHistory(conversation: readonly ChatMessage[]): boolean {
  return conversation.slice(0, -1).some(({ role }) => role !== "system");
}

/** The last question with what it points back to in the conversation before it. Throws what the model does. */
export async function rewriteQuestion(model: LanguageModel, conversation: readonly ChatMessage[], signal: AbortSignal): Promise<Rewritten> {
  const question = cut(visibleText(conversation.at(-1)?.content ?? ""), MAX_QUESTION_TOKENS);
  const messages: readonly ChatMessage[] = [
    { role: "system", content: RULES },
    ...recent(conversation, MAX_HISTORY_TOKENS, MAX_HISTORY_MESSAGES),
    { role: "user", content: `Rewrite this question: ${question}` },
  ];
  let query = "";
  let usage: ChatUsage | null = null;
  for await (const part of model.chat({ messages, maxTokens: MAX_REWRITTEN_TOKENS, temperature: 0 }, signal)) {
    if (part.kind === "end") usage = part.usage;
    else if (query.length < MAX_REWRITTEN_LENGTH) query += part.text;
  }
  const cleaned = visibleText(query).replaceAll(/\s+/g, " ").trim().slice(0, MAX_REWRITTEN_LENGTH);
  return { query: cleaned === "" ? question : cleaned, usage };
}
