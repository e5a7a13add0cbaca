import type { ChatUsage, LanguageModel } from "../../actors/language_model/language_model.ts";
import { superviseLanguageModel } from "../../actors/language_model/supervised.ts";
import { tracedLanguageModel } from "../../actors/language_model/traced.ts";
import type { Provider } from "../../actors/model_provider/provider.ts";
import { type ProviderChoice, providerChoice } from "../../config/embedding_choice.ts";
import { KennelError } from "../../runtime/errors.ts";
import { type Service, superviseService } from "../../supervisor/service.ts";
import { NO_POOL, type ServiceParts } from "./parts.ts";

/** Some models think before they write, and refuse a limit that leaves no room for it. */
const PROBE = { messages: [{ role: "user", content: "Say yes." }], maxTokens: 16, temperature: null } as const;

interface ChatService {
  readonly service: Service<LanguageModel>;
  readonly languageModel: LanguageModel;
}

/** The language model of `chat`; null: none is chosen, and its client is not loaded. */
export async function superviseChat(parts: ServiceParts): Promise<ChatService | null> {
  const choice = providerChoice(parts.config.chat, parts.config);
  if (choice === null) return null;
  const [{ OpenAiChat }, { Provider: providers }] = await Promise.all([
    import("../../actors/language_model/openai.ts"),
    import("../../actors/model_provider/provider.ts"),
  ]);
  const { supervisor, config } = parts;
  let provider: Provider | null = null;
  const service = superviseService<LanguageModel>(supervisor, {
    name: "language_model",
    kind: "language_model",
    limits: config.supervision.languageModel,
    pool: () => provider?.pool ?? NO_POOL,
    details: () => ({ model: choice.name, deployments: provider?.deployments ?? { total: choice.addresses.length, healthy: 0 } }),
    async open(signal) {
      const opened = await providers.open(providerOptions(parts, choice));
      const model = new OpenAiChat(choice.name, opened, countUsage(parts, choice.name));
      try {
        await probe(model, signal);
      } catch (thrown) {
        await opened.close();
        throw thrown;
      }
      provider = opened;
      return parts.tracer.isOn ? tracedLanguageModel(parts.tracer, model, config.traces.content) : model;
    },
    close: async () => {
      await provider?.close();
      provider = null;
    },
    probe,
  });
  return { service, languageModel: superviseLanguageModel(service, choice.name, config.chatCalls.callTimeoutMs) };
}

function countUsage({ config, metrics }: ServiceParts, model: string): (usage: ChatUsage) => void {
  const { dollarsPerMillionPromptTokens, dollarsPerMillionAnswerTokens } = config.chatCalls;
  return ({ promptTokens, answerTokens }) =>
    metrics.model.used({
      model,
      tokens: promptTokens + answerTokens,
      dollars: (promptTokens * dollarsPerMillionPromptTokens + answerTokens * dollarsPerMillionAnswerTokens) / 1e6,
    });
}

function providerOptions({ config, clock, random, metrics }: ServiceParts, choice: ProviderChoice): Parameters<typeof Provider.open>[0] {
  return {
    ...config.openai,
    kind: choice.kind,
    model: choice.name,
    addresses: choice.addresses,
    azureApiVersion: config.azure.apiVersion,
    pool: config.openai,
    onAttempt: (outcome, durationMs) => metrics.store.called({ store: "language_model", operation: "chat", outcome, durationMs }),
    clock,
    random,
  };
}

/** Being asked to wait, or to ask otherwise, is a sign of life. */
async function probe(model: LanguageModel, signal: AbortSignal): Promise<void> {
  try {
    for await (const part of model.chat(PROBE, signal)) if (part.kind === "end") return;
  } catch (thrown) {
    if (!(thrown instanceof KennelError && ["overloaded", "invalid_request"].includes(thrown.code))) throw thrown;
  }
}
