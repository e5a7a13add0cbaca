import type { Service } from "../../supervisor/service.ts";
import type { Reranker } from "./reranker.ts";

/** The port over a supervised reranker: bounded, broken off at `timeoutMs`, refused at once while the service is suspended. */
export function superviseReranker(
  service: Service<Reranker>,
  { name, weight }: Pick<Reranker, "name" | "weight">,
  timeoutMs: number,
): Reranker {
  return {
    name,
    weight,
    rerank: (query, texts, signal) => service.call((reranker, within) => reranker.rerank(query, texts, within), { timeoutMs, signal }),
  };
}
