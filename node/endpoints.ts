import { answerChat } from "../actors/chat/answer_chat.ts";
import { CHAT } from "../actors/chat/chat.ts";
import type { Modes } from "../actors/coordinator/modes.ts";
import { SEARCH_ACROSS } from "../actors/retriever/across/across.ts";
import { searchAcross } from "../actors/retriever/across/search_across.ts";
import { SEARCH } from "../actors/retriever/search.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { StreamTransport, Transport } from "../transport/transport.ts";
import type { Services } from "./services.ts";

export interface EndpointParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly local: Transport & StreamTransport;
  /** What leads a search to the node that holds its collection. */
  readonly transport: Transport;
  readonly services: Services;
  readonly modes: Modes;
  readonly metrics: Metrics;
}

/** What is made of searches, wherever those are answered: several collections at once, and chat. */
export function serveEndpoints({ config, clock, local, transport, services, modes, metrics }: EndpointParts): void {
  local.serve(SEARCH_ACROSS, (request, headers, signal) =>
    searchAcross({ clock, search: (one, own, within) => transport.request(SEARCH, one, own, within) }, request, headers, signal),
  );
  const isRuledOut = () => modes.read("store", true).degradations.some(({ stage, reason }) => stage === "rewrite" && reason === "forced");
  local.serveStream(CHAT, (question, headers, signal) =>
    answerChat(
      {
        clock,
        model: services.languageModel,
        isRuledOut,
        service: () => modes.serviceOf("language_model"),
        search: (request, own, within) => transport.request(SEARCH, request, own, within),
        prompt: config.prompt,
        metrics: metrics.chat,
      },
      question,
      headers,
      signal,
    ),
  );
}
