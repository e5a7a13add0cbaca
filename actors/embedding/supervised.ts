import type { Service } from "../../supervisor/service.ts";
import type { EmbeddingModel } from "./embedding.ts";

/** What must be known of a model before its service is up. */
export type EmbeddingModelFacts = Pick<EmbeddingModel, "name" | "dimensions" | "maxBatch">;

/** The port over a supervised model: bounded, broken off at `timeoutMs`, refused at once while the service is suspended. */
export function superviseEmbeddingModel(service: Service<EmbeddingModel>, facts: EmbeddingModelFacts, timeoutMs: number): EmbeddingModel {
  return {
    name: facts.name,
    get dimensions() {
      return facts.dimensions;
    },
    maxBatch: facts.maxBatch,
    embed: (texts, purpose, signal) => service.call((model, within) => model.embed(texts, purpose, within), { timeoutMs, signal }),
  };
}
