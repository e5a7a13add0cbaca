import { toKennelError } from "../../../runtime/errors.ts";
import { withinLimit } from "../../../supervisor/time_limit.ts";
import type { MessageHeaders, Scope } from "../../../transport/transport.ts";
import type { SearchRequest } from "../search.ts";
import type { RegistryOptions, RegistryParts } from "./options.ts";
import { Replay } from "./replay.ts";

/** What warming asks of the registry. */
export interface Warmable {
  /** Activates the collection and waits until it can answer. */
  warm(name: string, signal: AbortSignal): Promise<void>;
  /** Searches as callers do, without being counted as one. */
  search(request: SearchRequest, headers: MessageHeaders, signal: AbortSignal): Promise<unknown>;
  /** Whether callers' questions are being worked out. */
  isBusy(): boolean;
}

/** Longest search that is made to warm caches. */
const SEARCH_TIMEOUT_MS = 10_000;

/** What makes a node warm after a start, in the background. */
export class Warming {
  readonly #parts: RegistryParts;
  readonly #options: RegistryOptions;
  readonly #registry: Warmable;
  readonly #replay: Replay;

  constructor(parts: RegistryParts, options: RegistryOptions, registry: Warmable) {
    const { clock, popular, collections, metrics } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#registry = registry;
    this.#replay = new Replay({
      clock,
      popular,
      collections,
      isBusy: () => registry.isBusy(),
      ask: (request, scope, signal) => this.#ask(request, scope, signal),
      onAsked: () => metrics.count("query_replayed", 1),
    });
  }

  /** Most asked questions that are still to be asked again. */
  get replaying(): number {
    return this.#replay.left;
  }

  /**
   * Warms pinned and recently used collections side by side, then asks them again what they are asked most. Never rejects:
   * what stays cold is activated by its first query.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { documents, pinned, metrics, logger, collections, popular } = this.#parts;
    await popular.load();
    const recent = await documents.recentlyUsed(this.#options.warmCollections, signal).catch((thrown: unknown) => {
      logger.warn({ code: toKennelError(thrown).code }, "recently used collections are not known");
      return [];
    });
    const known = [...new Set([...pinned(), ...recent])].filter((name) => collections.resolve(name) !== null);
    const names = known.slice(0, this.#options.maxActive);
    await Promise.all(
      names.map((name) =>
        this.#registry.warm(name, signal).catch((thrown: unknown) => {
          metrics.count("warm_failed", 1);
          logger.warn({ collection: name, code: toKennelError(thrown).code }, "collection was not warmed");
        }),
      ),
    );
    await this.#replay.run(names, signal);
  }

  #ask(request: SearchRequest, scope: Scope, signal: AbortSignal): Promise<unknown> {
    const headers = { requestId: "replay", timeoutMs: SEARCH_TIMEOUT_MS, traceparent: null, scope };
    return withinLimit(this.#parts.clock, SEARCH_TIMEOUT_MS, "The search took too long", (within) =>
      this.#registry.search(request, headers, AbortSignal.any([signal, within])),
    );
  }
}
