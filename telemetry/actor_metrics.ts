import { Gauge, type Registry } from "prom-client";
import type { BoundedLabels } from "./bounded_labels.ts";

/** What is measured of one actor of the status tree. */
export interface ActorReading {
  readonly path: string;
  readonly kind: string;
  readonly state: string;
  readonly incarnation: number;
  readonly restarts: { readonly count: number };
  readonly breaker: "closed" | "half_open" | "open";
  readonly mailbox: { readonly depth: number; readonly oldest_ms: number };
  readonly in_flight: number;
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly pool?: {
    readonly idle: number;
    readonly in_use: number;
    readonly waiting: number;
    readonly limit: number;
    readonly max: number;
  };
  readonly children: readonly ActorReading[];
}

const BREAKER = { closed: 0, half_open: 1, open: 2 } as const;

/** Names of the gauges; each is read from the status tree when it is scraped, nothing is pushed per message. */
const GAUGES = {
  kennel_actor_mailbox_depth: { help: "Messages that wait in the actor's work lane", read: (actor) => actor.mailbox.depth },
  kennel_actor_mailbox_oldest_seconds: { help: "Age of the oldest waiting message", read: (actor) => actor.mailbox.oldest_ms / 1_000 },
  kennel_actor_in_flight: { help: "Calls the actor is working on", read: (actor) => actor.in_flight },
  kennel_actor_restarts_in_window: { help: "Restarts within the period of its restart intensity", read: (actor) => actor.restarts.count },
  kennel_actor_incarnation: { help: "Lives the actor has had since the node started", read: (actor) => actor.incarnation },
  kennel_actor_breaker: { help: "0 closed, 1 half open (probing), 2 open (suspended)", read: (actor) => BREAKER[actor.breaker] },
  kennel_actor_latency_p99_seconds: { help: "p99 of the actor's recent answers", read: (actor) => actor.latency_ms.p99 / 1_000 },
} as const satisfies Record<string, { readonly help: string; readonly read: (actor: ActorReading) => number }>;

/** Names of the gauges of an external service's connections; actors without any have none. */
const POOL_GAUGES = {
  kennel_pool_idle_connections: { help: "Open connections that nobody uses", read: (pool) => pool.idle },
  kennel_pool_used_connections: { help: "Connections lent to a call", read: (pool) => pool.in_use },
  kennel_pool_waiting_calls: { help: "Calls that wait for a connection", read: (pool) => pool.waiting },
  kennel_pool_limit_connections: { help: "Connections that there may be now, by what calls wait and use", read: (pool) => pool.limit },
  kennel_pool_max_connections: { help: "Most connections that will ever be open", read: (pool) => pool.max },
} as const satisfies Record<string, { readonly help: string; readonly read: (pool: NonNullable<ActorReading["pool"]>) => number }>;

/** Registers the gauges over all actors below `readTree()`. Beyond the bound, actors share `_other`, at the worst of their values. */
export function registerActorMetrics(registry: Registry, labels: BoundedLabels, readTree: () => ActorReading | null): void {
  for (const [name, { help, read }] of Object.entries(GAUGES)) {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ["actor", "kind"],
      registers: [registry],
      collect() {
        gauge.reset(); // passivated actors leave
        const tree = readTree();
        if (tree !== null) for (const [key, value] of worstByLabel(tree, labels, read)) gauge.set(JSON.parse(key), value);
      },
    });
  }
  for (const [name, { help, read }] of Object.entries(POOL_GAUGES)) {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ["actor", "kind"],
      registers: [registry],
      collect() {
        gauge.reset();
        const tree = readTree();
        for (const actor of tree === null ? [] : flatten(tree)) {
          if (actor.pool !== undefined) gauge.set({ actor: labels.label(actor.path), kind: actor.kind }, read(actor.pool));
        }
      },
    });
  }
  const actors = new Gauge({
    name: "kennel_actors",
    help: "Actors by kind and state",
    labelNames: ["kind", "state"],
    registers: [registry],
    collect() {
      actors.reset();
      const tree = readTree();
      if (tree !== null) for (const actor of flatten(tree)) actors.inc({ kind: actor.kind, state: actor.state });
    },
  });
}

function worstByLabel(tree: ActorReading, labels: BoundedLabels, read: (actor: ActorReading) => number): ReadonlyMap<string, number> {
  const worst = new Map<string, number>();
  for (const actor of flatten(tree)) {
    const key = JSON.stringify({ actor: labels.label(actor.path), kind: actor.kind });
    worst.set(key, Math.max(read(actor), worst.get(key) ?? 0));
  }
  return worst;
}

function flatten(actor: ActorReading): readonly ActorReading[] {
  return [actor, ...actor.children.flatMap(flatten)];
}
