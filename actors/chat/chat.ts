import type { StreamEndpoint } from "../../transport/transport.ts";
import type { ChatMessage, ChatUsage } from "../language_model/language_model.ts";
import type { Degradation, Mode } from "../retriever/search.ts";
import type { Filter } from "../vector_store/filter.ts";

/** A conversation with one collection, checked; its last message is the question. */
export interface ChatQuestion {
  /** A collection's or alias's name. */
  readonly collection: string;
  readonly messages: readonly ChatMessage[];
  /** Passages to answer from, 1..50. */
  readonly topK: number;
  readonly filter: Filter | null;
  /** Longest answer in tokens; null: the model's own limit. */
  readonly maxTokens: number | null;
  /** 0 to 2; null: the model's own. */
  readonly temperature: number | null;
}

/** A passage that stands behind a part of the answer. Ranges are in UTF-16 units, their ends exclusive. */
export interface Citation {
  readonly documentId: string;
  readonly chunkId: string;
  readonly title: string;
  readonly url: string;
  /** The mark `[n]` in the answer. */
  readonly start: number;
  readonly end: number;
  /** The words in the passage's text. */
  readonly passageStart: number;
  readonly passageEnd: number;
  /** Those words, as they stand there. */
  readonly quote: string;
}

/** In this order: one `start`, texts and citations, one `end`. A citation follows the text of its mark. */
export type ChatEvent =
  | { readonly kind: "start"; readonly mode: Mode; readonly degradations: readonly Degradation[] }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "citation"; readonly citation: Citation }
  /** `usage` counts what models have read and written, rewriting included. */
  | { readonly kind: "end"; readonly reason: "stop" | "length" | "filter"; readonly usage: ChatUsage };

export const CHAT: StreamEndpoint<ChatQuestion, ChatEvent> = { name: "chat" };
