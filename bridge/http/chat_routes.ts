import { CHAT, type ChatEvent } from "../../actors/chat/chat.ts";
import type { Clock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { StreamTransport } from "../../transport/transport.ts";
import { chatAnswerSchema, chatRequestSchema, toChatQuestion } from "../schema/chat.ts";
import { validate } from "../schema/validate.ts";
import { type Answer, JSON_TYPE } from "./answer.ts";
import { streamedAnswer, wholeAnswer } from "./chat_answers.ts";
import type { CollectionCatalog } from "./collaborators.ts";
import { jsonAnswer } from "./descriptions.ts";
import type { Exchange } from "./exchange.ts";
import type { BridgeLimits } from "./limits.ts";
import type { Route } from "./route.ts";

const CHAT_TIMEOUT_MS = 60_000;

const EXAMPLE_ANSWER = {
  id: "chatcmpl-5f2c1a",
  object: "chat.completion",
  created: 1_790_000_000,
  model: "docs",
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        content: "Kennel keeps retrievers warm [1].",
        refusal: null,
        annotations: [
          {
            type: "url_citation",
            url_citation: { start_index: 29, end_index: 32, title: "Guide", url: "" },
            document_id: "guide.md",
            chunk_id: "guide.md#0",
            passage_range: { start: 0, end: 29 },
            quote: "Kennel keeps retrievers warm.",
          },
        ],
      },
      finish_reason: "stop",
      logprobs: null,
    },
  ],
  usage: { prompt_tokens: 320, completion_tokens: 12, total_tokens: 332 },
};

interface Parts {
  readonly streams: StreamTransport;
  readonly catalog: CollectionCatalog;
  readonly limits: BridgeLimits;
  readonly clock: Clock;
}

export function chatRoutes({ streams, catalog, limits, clock }: Parts): readonly Route[] {
  const answer = async (exchange: Exchange): Promise<Answer> => {
    const wire = validate(chatRequestSchema, await exchange.json());
    const collection = catalog.resolve(wire.model);
    if (collection === null) throw kennelError("not_found", { message: `There is no collection or alias "${wire.model}"`, param: "model" });
    const question = toChatQuestion(wire, collection.record.attributes);
    const events = streams.stream(CHAT, question, exchange.messageHeaders(), exchange.signal)[Symbol.asyncIterator]();
    const first = await events.next(); // what fails before the answer begins is an error with a status
    if (first.done === true || first.value.kind !== "start") throw kennelError("internal");
    const identity = { id: `chatcmpl-${exchange.requestId}`, created: Math.floor(clock.wallMs() / 1_000), model: wire.model };
    const rest: AsyncIterable<ChatEvent> = { [Symbol.asyncIterator]: () => events };
    if (wire.stream !== true) return wholeAnswer(first.value, rest, identity);
    return streamedAnswer(first.value, rest, identity, wire.stream_options?.include_usage === true);
  };
  return [
    {
      method: "POST",
      path: "/v1/chat/completions",
      kind: "work",
      maxBodyBytes: limits.maxBodyBytes,
      timeoutMs: Math.min(CHAT_TIMEOUT_MS, limits.maxTimeoutMs),
      description: {
        operationId: "chat",
        summary:
          "A conversation answered from a collection, in OpenAI's shape; the model is the collection. With stream: server-sent events",
        tag: "chat",
        parameters: [],
        request: {
          isRequired: true,
          content: {
            [JSON_TYPE]: {
              schema: chatRequestSchema,
              example: { model: "docs", messages: [{ role: "user", content: "What keeps retrievers warm?" }] },
            },
          },
        },
        answers: {
          200: {
            ...jsonAnswer("The answer and what it cites", chatAnswerSchema, EXAMPLE_ANSWER, ["X-Kennel-Mode", "X-Kennel-Degradations"]),
            mayStream: true,
          },
        },
        errors: ["not_found", "payload_too_large", "unsupported_media_type", "degraded"],
      },
      handle: (exchange) => answer(exchange),
    },
  ];
}
