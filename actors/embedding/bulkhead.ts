import type { Bulkhead } from "../../supervisor/bulkhead.ts";
import type { EmbeddingModel } from "./embedding.ts";

/** A model as one collection has it: within its share of what the model embeds at once. */
export function sharedModel(model: EmbeddingModel, bulkhead: Bulkhead, collection: string): EmbeddingModel {
  return {
    name: model.name,
    get dimensions() {
      return model.dimensions;
    },
    maxBatch: model.maxBatch,
    embed: (texts, purpose, signal) => bulkhead.run(collection, signal, () => model.embed(texts, purpose, signal)),
  };
}
