import { modelSpan } from "../../telemetry/model_spans.ts";
import { type Span, type Tracer, tracedParts } from "../../telemetry/tracing.ts";
import type { ChatPart, ChatRequest, LanguageModel } from "./language_model.ts";

/** UTF-16 units of what is kept of an answer for its span. */
const MAX_CONTENT = 2_000;

/** @param isContentKept whether spans hold what was asked and answered */
export function tracedLanguageModel(tracer: Tracer, model: LanguageModel, isContentKept: boolean): LanguageModel {
  const spec = modelSpan("chat", model.name);
  return {
    name: model.name,
    chat(request, signal) {
      const span = tracer.active() === null ? null : tracer.child(spec);
      if (span === null) return model.chat(request, signal);
      span.set(requestAttributes(request, isContentKept));
      return tracedParts(tracer, span, model.chat(request, signal), noteParts(span, isContentKept));
    },
  };
}

function requestAttributes({ messages, maxTokens, temperature }: ChatRequest, isContentKept: boolean) {
  return {
    "gen_ai.request.max_tokens": maxTokens,
    "gen_ai.request.temperature": temperature,
    "gen_ai.input.messages": isContentKept
      ? JSON.stringify(messages.map(({ role, content }) => ({ role, parts: [{ type: "text", content: content.slice(0, MAX_CONTENT) }] })))
      : null,
  };
}

function noteParts(span: Span, isContentKept: boolean): (part: ChatPart) => void {
  let written = "";
  return (part) => {
    if (part.kind === "text") {
      if (isContentKept && written.length < MAX_CONTENT) written += part.text.slice(0, MAX_CONTENT);
      return;
    }
    span.set({
      "gen_ai.response.finish_reasons": [part.reason],
      "gen_ai.usage.input_tokens": part.usage?.promptTokens ?? null,
      "gen_ai.usage.output_tokens": part.usage?.answerTokens ?? null,
      "gen_ai.output.messages": isContentKept
        ? JSON.stringify([{ role: "assistant", parts: [{ type: "text", content: written }], finish_reason: part.reason }])
        : null,
    });
  };
}
