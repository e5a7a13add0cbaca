import { modelSpan } from "../../telemetry/model_spans.ts";
import { type Tracer, traced } from "../../telemetry/tracing.ts";
import type { EmbeddingModel } from "./embedding.ts";

/** Calls of the model as spans. Texts of one moment share a call, which stands in the trace of whoever began it. */
export function tracedEmbeddingModel(tracer: Tracer, model: EmbeddingModel): EmbeddingModel {
  const spec = modelSpan("embeddings", model.name);
  return {
    name: model.name,
    maxBatch: model.maxBatch,
    get dimensions() {
      return model.dimensions;
    },
    embed: (texts, purpose, signal) =>
      traced(tracer, spec, (span) => {
        span?.set({ "kennel.embedding.texts": texts.length, "kennel.embedding.purpose": purpose });
        return model.embed(texts, purpose, signal);
      }),
  };
}
