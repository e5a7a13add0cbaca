/** Chat's events in OpenAI's shapes. */
import type { ChatEvent, Citation } from "../../actors/chat/chat.ts";
import type { ChatUsage } from "../../actors/language_model/language_model.ts";
import { toKennelError } from "../../runtime/errors.ts";
import type { WireAnnotation } from "../schema/chat.ts";
import { fromError } from "../schema/errors.ts";
import { type Answer, json } from "./answer.ts";

type Start = Extract<ChatEvent, { readonly kind: "start" }>;

export interface ChatIdentity {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

const FINISH = { stop: "stop", length: "length", filter: "content_filter" } as const;

function headersOf({ mode, degradations }: Start): Record<string, string> {
  const listed = degradations.map(({ stage, reason, service }) => `${stage}=${reason};service=${service}`).join(", ");
  return { "x-kennel-mode": mode, "x-kennel-degradations": listed };
}

export async function wholeAnswer(start: Start, events: AsyncIterable<ChatEvent>, identity: ChatIdentity): Promise<Answer> {
  let content = "";
  let ending: Extract<ChatEvent, { readonly kind: "end" }> | null = null;
  const annotations: WireAnnotation[] = [];
  for await (const event of events) {
    if (event.kind === "text") content += event.text;
    if (event.kind === "citation") annotations.push(annotationOf(event.citation));
    if (event.kind === "end") ending = event;
  }
  const message = { role: "assistant", content, refusal: null, annotations };
  const choice = { index: 0, message, finish_reason: FINISH[ending?.reason ?? "stop"], logprobs: null };
  const usage = usageOf(ending?.usage ?? { promptTokens: 0, answerTokens: 0 });
  return json(200, { ...identity, object: "chat.completion", choices: [choice], usage }, headersOf(start));
}

export function streamedAnswer(start: Start, events: AsyncIterable<ChatEvent>, identity: ChatIdentity, withUsage: boolean): Answer {
  return {
    status: 200,
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", ...headersOf(start) },
    body: null,
    stream: serverSentEvents(events, identity, withUsage),
  };
}

/** What goes wrong in the middle is the last event before the end mark, in the shape of any error: clients throw it. */
async function* serverSentEvents(events: AsyncIterable<ChatEvent>, identity: ChatIdentity, withUsage: boolean): AsyncGenerator<string> {
  const chunk = (choices: readonly object[], more: object = {}) =>
    line({ ...identity, object: "chat.completion.chunk", choices, ...(withUsage ? { usage: null } : {}), ...more });
  const choice = (delta: object, reason: string | null = null) => [{ index: 0, delta, finish_reason: reason, logprobs: null }];
  // The first token waits for nothing: what every answer begins with goes out together with it.
  let held = chunk(choice({ role: "assistant", content: "" }));
  try {
    for await (const event of events) {
      if (event.kind === "text") {
        yield held + chunk(choice({ content: event.text }));
        held = "";
        continue;
      }
      if (held !== "") yield held;
      held = "";
      if (event.kind === "citation") yield chunk(choice({ annotations: [annotationOf(event.citation)] }));
      if (event.kind !== "end") continue;
      yield chunk(choice({}, FINISH[event.reason]));
      if (withUsage) yield chunk([], { usage: usageOf(event.usage) });
    }
  } catch (thrown) {
    if (held !== "") yield held;
    yield line(fromError(toKennelError(thrown)));
  }
  yield "data: [DONE]\n\n";
}

/** The JSON of each event of a stream whose parts hold one or several, for who sends them without an event around them; ends at the mark that ends the stream. */
export async function* jsonOfEvents(stream: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const part of stream) {
    for (const event of part.split("\n\n")) {
      const json = event.slice("data: ".length);
      if (json === "[DONE]") return;
      if (json !== "") yield json;
    }
  }
}

function line(fields: object): string {
  return `data: ${JSON.stringify(fields)}\n\n`;
}

function annotationOf({ documentId, chunkId, title, url, start, end, passageStart, passageEnd, quote }: Citation): WireAnnotation {
  return {
    type: "url_citation",
    url_citation: { start_index: start, end_index: end, title, url },
    document_id: documentId,
    chunk_id: chunkId,
    passage_range: { start: passageStart, end: passageEnd },
    quote,
  };
}

function usageOf({ promptTokens, answerTokens }: ChatUsage): object {
  return { prompt_tokens: promptTokens, completion_tokens: answerTokens, total_tokens: promptTokens + answerTokens };
}
