import type { Catalog } from "../../actors/document_store/catalog.ts";
import type { CollectionRecord } from "../../actors/document_store/collection_record.ts";
import type { RetrieverRegistry } from "../../actors/retriever/registry/registry.ts";
import { type EncodedAnswer, SEARCH } from "../../actors/retriever/search.ts";
import { MAX_BUSY, MAX_READY } from "../../cluster/membership/heartbeat.ts";
import { Busyness } from "../../cluster/placement/busyness.ts";
import type { LocalNode } from "../../cluster/ports.ts";
import type { RouteError } from "../../cluster/router/route.ts";
import type { Flags } from "../../config/flags.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type KennelError, toKennelError } from "../../runtime/errors.ts";
import type { EventLoopLag } from "../../telemetry/event_loop_lag.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Transport } from "../../transport/transport.ts";
import type { RoutedSearch } from "./clustered_transport.ts";

export interface LocalRetrieversParts {
  readonly transport: Transport;
  readonly registry: RetrieverRegistry;
  readonly catalog: Catalog;
  readonly lag: EventLoopLag;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly capacity: number;
  /** Empty until the HTTP bridge listens. */
  readonly url: () => string;
  readonly warmLimitMs: number;
  readonly flags: Pick<Flags, "hedging">;
  /** What this node can do of a search in its stores. */
  readonly mode: () => string;
}

/** Share of a node's capacity below which nobody need know that a collection is busy. */
const LEAST_BUSY = 0.05;

/** The node's own retrievers, as the cluster sees them. */
export class LocalRetrievers implements LocalNode<RoutedSearch, EncodedAnswer> {
  readonly #parts: LocalRetrieversParts;
  readonly #busyness: Busyness;
  #inFlight = 0;
  #ready: ReadonlySet<string> = new Set();

  constructor(parts: LocalRetrieversParts) {
    this.#parts = parts;
    this.#busyness = new Busyness(parts.clock.monotonicMs());
  }

  load() {
    const { lag, capacity, url, clock } = this.#parts;
    const busy = this.#busyness.read(MAX_BUSY, capacity * LEAST_BUSY, clock.monotonicMs());
    return {
      lagMs: Math.round(lag.quantile(0.99) * 1_000),
      inFlight: this.#inFlight,
      queue: 0,
      capacity,
      url: url(),
      busy,
      mode: this.#parts.mode(),
    };
  }

  mayHedge(): boolean {
    return this.#parts.flags.hedging;
  }

  /** The same set as long as nothing has changed. */
  ready(): ReadonlySet<string> {
    const names: string[] = [];
    for (const name of this.#parts.registry.readyNames()) {
      if (names.length >= MAX_READY) break;
      names.push(name);
    }
    const isSame = names.length === this.#ready.size && names.every((name) => this.#ready.has(name));
    if (!isSame) this.#ready = new Set(names);
    return this.#ready;
  }

  replicasOf(collection: string): number {
    return this.#find(collection)?.settings.replicas ?? 1;
  }

  /** Null also while it is not known yet which collections there are. */
  #find(collection: string): CollectionRecord | null {
    const { catalog } = this.#parts;
    return catalog.isLoaded ? (catalog.resolve(collection)?.record ?? null) : null;
  }

  serve({ request, headers }: RoutedSearch, timeoutMs: number, settle: Parameters<LocalNode<RoutedSearch, EncodedAnswer>["serve"]>[2]) {
    const controller = new AbortController();
    this.answer({ request, headers: { ...headers, timeoutMs } }, controller.signal).then(
      (answer) => settle({ kind: "answer", answer }),
      (thrown: unknown) => settle({ kind: "error", error: { kind: kindOf(toKennelError(thrown)), cause: thrown } }),
    );
    return () => controller.abort();
  }

  /** A search of this node's or of another one's: answered here, whatever it holds. */
  async answer({ request, headers }: RoutedSearch, signal: AbortSignal): Promise<EncodedAnswer> {
    const { clock } = this.#parts;
    const name = this.#find(request.collection)?.name;
    const ended = name === undefined ? null : this.#busyness.begin(name, clock.monotonicMs());
    this.#inFlight += 1;
    try {
      return await this.#parts.transport.request(SEARCH, request, headers, signal);
    } finally {
      this.#inFlight -= 1;
      ended?.(clock.monotonicMs());
    }
  }

  warm(collection: string, ended: () => void): void {
    const { registry, warmLimitMs, logger } = this.#parts;
    registry
      .warm(collection, AbortSignal.timeout(warmLimitMs))
      .catch((thrown: unknown) =>
        logger.warn({ collection, code: toKennelError(thrown).code }, "a collection that is to be here was not opened"),
      )
      .finally(ended);
  }

  release(collection: string): void {
    void this.#parts.registry.release(collection);
  }
}

/** What this node cannot do now another one may be able to. */
const REFUSALS: readonly KennelError["code"][] = ["overloaded", "draining", "unavailable"];

function kindOf({ code }: KennelError): RouteError["kind"] {
  return REFUSALS.includes(code) ? "refused" : "final";
}
