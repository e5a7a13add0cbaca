import type { Service } from "../../supervisor/service.ts";
import { handOver } from "./handoff.ts";
import type { ChatPart, LanguageModel } from "./language_model.ts";

/**
 * The port over a supervised model. An answer counts as one call from its first to its last part: it ends at `timeoutMs` with
 * `deadline_exceeded`, and is refused at once while the service is suspended.
 */
export function superviseLanguageModel(service: Service<LanguageModel>, name: string, timeoutMs: number): LanguageModel {
  return {
    name,
    chat: (request, signal) =>
      handOver<ChatPart>(
        (parts, both) =>
          service.call(
            async (model, within) => {
              for await (const part of model.chat(request, within)) await parts.give(part);
            },
            { timeoutMs, signal: both },
          ),
        signal,
      ),
  };
}
