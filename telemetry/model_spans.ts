/** Calls of models as OpenTelemetry's conventions for generative AI name them (semantic conventions 1.37, gen-ai). */
import type { SpanSpec } from "./tracing.ts";

const PROVIDERS: Readonly<Record<string, string>> = { openai: "openai", azure: "azure.ai.openai" };

/** @param model as Kennel names it: `openai:gpt-4o-mini`; one without a provider is Kennel's own */
export function modelSpan(operation: "chat" | "embeddings", model: string): SpanSpec {
  const colon = model.indexOf(":");
  const provider = colon === -1 ? "kennel" : (PROVIDERS[model.slice(0, colon)] ?? model.slice(0, colon));
  const name = model.slice(colon + 1);
  return {
    name: `${operation} ${name}`,
    kind: "client",
    attributes: { "gen_ai.operation.name": operation, "gen_ai.provider.name": provider, "gen_ai.request.model": name },
  };
}
