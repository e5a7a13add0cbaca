export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatRequest {
  /** At least one. */
  readonly messages: readonly ChatMessage[];
  /** Longest answer in tokens; null: the model's own limit. */
  readonly maxTokens: number | null;
  /** 0 to 2; null: the model's own. */
  readonly temperature: number | null;
}

export type ChatPart =
  | { readonly kind: "text"; readonly text: string }
  /** Always the last. `length`: cut off at `maxTokens`; `filter`: the provider withholds the rest. */
  | { readonly kind: "end"; readonly reason: "stop" | "length" | "filter"; readonly usage: ChatUsage | null };

/** As the provider counts. */
export interface ChatUsage {
  readonly promptTokens: number;
  readonly answerTokens: number;
}

/** Writes answers to conversations. */
export interface LanguageModel {
  /** `openai:gpt-4o-mini` */
  readonly name: string;
  /**
   * The answer as it is written. Who leaves the loop early ends the provider's work, too; so does the signal. Throws
   * `invalid_request`, `overloaded`, `unavailable` (also in the middle of an answer) or the cancellation.
   */
  chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatPart>;
}
