/** Calls of models as OpenTelemetry's conventions for generative AI name them (semantic conventions 1.37, gen-ai). */
import type { SpanSpec } from "./tracing.ts";

const PROVIDERS: Readonly<Record<string, string>> = { openai: "openai", azure: "azure.ai.openai" };

/**
 * @param operation `rerank` has no name among the conventions
 * @param model as Kennel names it: `openai:gpt-4o-mini` @param own the provider of one without: Kennel itself, unless given
 */
export function modelSpan(operation: "chat" | "embeddings" | "rerank", model: string, own = "kennel"): SpanSpec {
  const colon = model.indexOf(":");
  const provider = colon === -1 ? own : (PROVIDERS[model.slice(0, colon)] ?? model.slice(0, colon));
  const name = model.slice(colon + 1);
  return {
    name: `${operation} ${name}`,
    kind: "client",
    attributes: { "gen_ai.operation.name": operation, "gen_ai.provider.name": provider, "gen_ai.request.model": name },
  };
}
