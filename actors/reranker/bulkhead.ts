import type { Bulkhead } from "../../supervisor/bulkhead.ts";
import type { Reranker } from "./reranker.ts";

/** A reranker as one collection has it: within its share of the calls at once. */
export function sharedReranker(reranker: Reranker, bulkhead: Bulkhead, collection: string): Reranker {
  return {
    name: reranker.name,
    weight: reranker.weight,
    rerank: (query, texts, signal) => bulkhead.run(collection, signal, () => reranker.rerank(query, texts, signal)),
  };
}
