import { kennelError } from "../../runtime/errors.ts";
import type { Attempt, Provider } from "../model_provider/provider.ts";
import { type Handoff, handOver } from "./handoff.ts";
import type { ChatPart, ChatRequest, ChatUsage, LanguageModel } from "./language_model.ts";

const REASONS: Readonly<Record<string, "stop" | "length" | "filter">> = { stop: "stop", length: "length", content_filter: "filter" };

/**
 * Chat of OpenAI, of Azure, and of whatever speaks their protocol. An attempt is repeated as long as nothing of an answer
 * has been given out; the time limit of an attempt holds for each part.
 */
export class OpenAiChat implements LanguageModel {
  readonly name: string;
  readonly #provider: Provider;
  readonly #onUsage: (usage: ChatUsage) => void;

  /** @param onUsage told of what each answer has cost, where the provider says it; also of one that nobody read to its end */
  constructor(name: string, provider: Provider, onUsage: (usage: ChatUsage) => void) {
    this.name = name;
    this.#provider = provider;
    this.#onUsage = onUsage;
  }

  chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatPart> {
    return handOver<ChatPart>(
      (parts, both) => this.#provider.call((attempt) => write(request, this.name, attempt, parts, this.#onUsage), both),
      signal,
    );
  }
}

async function write(
  request: ChatRequest,
  name: string,
  attempt: Attempt,
  parts: Handoff<ChatPart>,
  onUsage: (usage: ChatUsage) => void,
): Promise<void> {
  const { messages, maxTokens, temperature } = request;
  const stream = await attempt.client.chat.completions.create(
    {
      model: attempt.model,
      messages: [...messages],
      stream: true,
      stream_options: { include_usage: true },
      ...(maxTokens === null ? {} : { max_completion_tokens: maxTokens }),
      ...(temperature === null ? {} : { temperature }),
    },
    attempt.options,
  );
  let reason: "stop" | "length" | "filter" | null = null;
  let usage: ChatUsage | null = null;
  for await (const chunk of stream) {
    const choice = chunk.choices?.[0];
    if (choice?.delta?.content) await attempt.delivered(parts.give({ kind: "text", text: choice.delta.content }));
    if (choice?.finish_reason) reason = REASONS[choice.finish_reason] ?? "stop";
    if (chunk.usage) usage = { promptTokens: chunk.usage.prompt_tokens, answerTokens: chunk.usage.completion_tokens };
  }
  if (usage !== null) onUsage(usage);
  // The client ends the loop quietly when it is aborted, or when the connection ends between two parts.
  attempt.options.signal.throwIfAborted();
  if (reason === null) throw kennelError("unavailable", { message: `The provider of ${name} broke off its answer` });
  await attempt.delivered(parts.give({ kind: "end", reason, usage }));
}
