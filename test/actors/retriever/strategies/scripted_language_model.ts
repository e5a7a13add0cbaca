import type { ChatPart, ChatRequest, LanguageModel } from "../../../../actors/language_model/language_model.ts";

export interface ScriptedLanguageModel extends LanguageModel {
  readonly requests: ChatRequest[];
  /** Signals of the calls, in their order. */
  readonly signals: AbortSignal[];
}

/** A model that says what the script makes of a request, word by word; the script may throw, or never end. */
export function scriptedLanguageModel(script: (request: ChatRequest) => string | Promise<string>): ScriptedLanguageModel {
  const requests: ChatRequest[] = [];
  const signals: AbortSignal[] = [];
  return {
    name: "scripted",
    requests,
    signals,
    async *chat(request, signal): AsyncGenerator<ChatPart> {
      requests.push(request);
      signals.push(signal);
      for (const text of (await script(request)).split(/(?<=\s)/)) yield { kind: "text", text };
      yield { kind: "end", reason: "stop", usage: null };
    },
  };
}

/** Whether the model is asked for a passage instead of questions. */
export function asksForPassage({ messages }: ChatRequest): boolean {
  return messages[0]?.content.includes("short passage") ?? false;
}
