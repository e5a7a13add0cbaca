import { modelSpan } from "../../telemetry/model_spans.ts";
import { type Tracer, traced } from "../../telemetry/tracing.ts";
import type { Reranker } from "./reranker.ts";

/** UTF-16 units of the question that a span keeps. */
const MAX_CONTENT = 2_000;

/** Calls of the service as spans. @param isContentKept whether they hold the question; the texts are in none */
export function tracedReranker(tracer: Tracer, reranker: Reranker, isContentKept: boolean): Reranker {
  const spec = modelSpan("rerank", reranker.name, "cohere"); // whose interface it has
  return {
    name: reranker.name,
    weight: reranker.weight,
    rerank: (query, texts, signal) =>
      traced(tracer, spec, (span) => {
        span?.set({ "kennel.rerank.texts": texts.length, "kennel.rerank.query": isContentKept ? query.slice(0, MAX_CONTENT) : null });
        return reranker.rerank(query, texts, signal);
      }),
  };
}
