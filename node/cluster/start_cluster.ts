import type { EncodedAnswer, SearchRequest } from "../../actors/retriever/search.ts";
import { natsNetwork } from "../../cluster/nats/network.ts";
import { readyToWire, type WireReady } from "../../cluster/nats/wire.ts";
import { ClusterNode } from "../../cluster/node.ts";
import { CLUSTER_OPTIONS } from "../../cluster/options.ts";
import type { ClusterEvent } from "../../cluster/ports.ts";
import type { Flags } from "../../config/flags.ts";
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { EventLoopLag } from "../../telemetry/event_loop_lag.ts";
import type { Logger } from "../../telemetry/logs.ts";
import { rareEvents } from "../../telemetry/rare_events.ts";
import type { Tracer } from "../../telemetry/tracing.ts";
import type { NatsLink } from "../../transport/nats/link.ts";
import { natsTransport } from "../../transport/nats/nats.ts";
import { type Endpoint, OPEN_SCOPE, type StreamTransport, type Transport } from "../../transport/transport.ts";
import type { Core } from "../core.ts";
import type { Operators } from "../operators/operators.ts";
import { CatalogSync } from "./catalog_sync.ts";
import { describeCluster } from "./cluster_status.ts";
import { clusteredTransport, type RoutedSearch } from "./clustered_transport.ts";
import { Leading } from "./leading.ts";
import { LocalRetrievers } from "./local_retrievers.ts";
import { BETWEEN_NODES } from "./rare_events.ts";
import { SharedConfiguration } from "./shared_configuration.ts";
import { storesOf } from "./shared_stores.ts";

/** Searches from node to node. It has a name of its own: who receives one serves it and sends it nowhere. */
const ROUTED_SEARCH: Endpoint<SearchRequest, EncodedAnswer> = { name: "routed_search" };
/** Asked by nodes of other groups, who are told only of what changes. */
const READY_SET: Endpoint<Record<string, never>, WireReady> = { name: "ready_set" };
/** Searches that a node works on at once before it counts as full: a guess that only has to be the same everywhere. */
const CAPACITY = 64;
/** Its time is its only end. */
const UNCANCELLED = new AbortController().signal;
const NO_CONFIGURATION = { state: "off", operators_epoch: 0, keys: 0 };

export interface ClusterParts {
  readonly name: string;
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly lag: EventLoopLag;
  readonly core: Core;
  readonly flags: Flags;
  readonly operators: Operators;
  /** What this node can do of a search in its stores. */
  readonly mode: () => string;
  readonly documents: ConstructorParameters<typeof CatalogSync>[0]["documents"];
  /** Serves this node's own searches. */
  readonly local: Transport & StreamTransport;
  readonly link: NatsLink;
  /** Whether questions of clients are to be taken over NATS. */
  readonly answerClients: (isAnswering: boolean) => void;
  /** Counts what should be rare, by kind. */
  readonly count: (event: string) => void;
  /** Where this node's HTTP bridge listens; empty until it does. */
  readonly url: () => string;
}

export interface Cluster {
  /** What the bridge asks through. */
  readonly transport: Transport & StreamTransport;
  /** Whether the collection is to be on this node. */
  isPlacedHere(collection: string): boolean;
  /** This node has changed a collection, or what it holds. */
  changed(collection: string): void;
  /** This node has moved or deleted an alias. */
  aliasChanged(alias: string): void;
  /** Whether no other node is there. */
  readonly isAlone: boolean;
  /** A part of `/v1/status`. */
  describe(): object;
  /** Resolves once those who are there have been heard. */
  whenGathered(signal: AbortSignal): Promise<void>;
  /** Tells peers, waits for successors and for searches in flight, says goodbye. Resolves within the drain's limit. */
  leave(): Promise<void>;
  /** Ends searches of other nodes that are still answered after `limitMs`. */
  close(limitMs: number): Promise<void>;
  stop(): void;
}

/** Joins the nodes that share this one's NATS and stores. */
export function startCluster(parts: ClusterParts): Cluster {
  const { name, config, clock, random, logger, core, local, link, flags, operators } = parts;
  const counts: Record<string, number> = {};
  const add = (event: string) => {
    counts[event] = (counts[event] ?? 0) + 1;
    parts.count(event);
  };
  const count = rareEvents(BETWEEN_NODES, add, logger, clock);
  const between = natsTransport({ link, clock, logger, tracer: parts.tracer, count, self: name, maxInFlight: config.http.maxInFlight, isSilent: () => cluster.isExcluded }); // biome-ignore format: one thought
  const retrievers = new LocalRetrievers({
    transport: local,
    registry: core.registry,
    catalog: core.catalog,
    lag: parts.lag,
    clock,
    logger,
    capacity: CAPACITY,
    url: parts.url,
    warmLimitMs: config.retriever.activationTimeoutMs,
    flags,
    mode: parts.mode,
  });
  const stores = storesOf(config, random);
  const network = natsNetwork<RoutedSearch, EncodedAnswer>({
    link,
    stores: stores.digest,
    count,
    keepControl: (control) => configuration?.keepControl(control),
    ask: (node, { request, headers }, timeoutMs, signal) =>
      between.to(node).request(ROUTED_SEARCH, request, { ...headers, timeoutMs }, signal),
    askReady: (node, timeoutMs) =>
      between.to(node).request(READY_SET, {}, { requestId: "ready_set", timeoutMs, traceparent: null, scope: OPEN_SCOPE }, UNCANCELLED),
  });
  const onEvent = (event: ClusterEvent) => {
    if (event.kind === "yields" || event.kind === "answers") parts.answerClients(event.kind === "answers");
    if (event.kind === "leads") configuration?.rescanSoon();
    tell(event, logger, count);
  };
  const cluster = new ClusterNode<RoutedSearch, EncodedAnswer>(
    { name, weight: 1, stores: stores.digest, isShared: stores.isShared },
    { clock, random, network, local: retrievers, onEvent },
    {
      ...CLUSTER_OPTIONS,
      drain: { ...CLUSTER_OPTIONS.drain, limitMs: config.drain.limitMs },
      groups: { ...CLUSTER_OPTIONS.groups, meshNodes: config.cluster.meshNodes },
    },
  );
  const sync = new CatalogSync({
    documents: parts.documents,
    catalog: core.catalog,
    changedElsewhere: core.changedElsewhere,
    clock,
    logger,
  });
  // What nobody else can have need not be told to others.
  const configuration = stores.isShared
    ? new SharedConfiguration({
        link,
        stores: stores.digest,
        node: name,
        catalog: core.catalog,
        operators,
        sync,
        hearControl: (control) => cluster.hearControl(control),
        isLeader: () => cluster.leadsIn !== null,
        clock,
        logger,
        count,
      })
    : null;
  if (configuration !== null) operators.share(configuration);
  between.serve(READY_SET, async () => readyToWire(cluster.readySet));
  between.serve(ROUTED_SEARCH, (request, headers, signal) => retrievers.answer({ request, headers }, signal));
  const detach = network.listen({
    heartbeat: (beat, seat) => cluster.hearHeartbeat(beat, seat),
    digest: (digest) => cluster.hearDigest(digest),
    control: (control) => cluster.hearControl(control),
    change(change) {
      if (change.node === name) return;
      if (change.isAlias) sync.aliasesChanged();
      else sync.changed(change.collection);
    },
    connected: () => void sync.rescan(),
  });
  core.known.then(
    () => Promise.all([sync.rescan(), configuration?.rescan()]),
    () => {}, // the node stops
  );
  const leading = new Leading(cluster, core.catalog, clock, CAPACITY, flags);
  cluster.start();
  configuration?.start();
  return {
    transport: clusteredTransport(local, cluster, (collection) => sync.nameOf(collection), flags),
    isPlacedHere: (collection) => cluster.placement.ownersOf(collection).includes(name),
    get isAlone() {
      return [...cluster.membership.all()].every(({ beat, state }) => beat.node === name || state !== "alive");
    },
    changed(collection) {
      network.publishChange({ node: name, collection, isAlias: false });
      configuration?.collectionChanged(collection);
    },
    aliasChanged(alias) {
      network.publishChange({ node: name, collection: alias, isAlias: true });
      configuration?.aliasChanged(alias);
    },
    describe: () => describeCluster(cluster, link, counts, configuration?.describe() ?? NO_CONFIGURATION, clock),
    whenGathered: (signal) => clock.sleep(CLUSTER_OPTIONS.membership.suspectAfterMs, signal),
    leave: () => new Promise((resolve) => cluster.drain(resolve)),
    close: (limitMs) => between.close(limitMs),
    stop() {
      leading.stop();
      configuration?.stop();
      sync.stop();
      detach();
      cluster.stop();
    },
  };
}

function tell(event: ClusterEvent, logger: Logger, count: (event: string) => void): void {
  count(event.kind);
  const { kind, node } = event;
  switch (kind) {
    case "foreign":
      logger.error(
        { peer: node },
        "a node on the same NATS has other stores and is left alone: a cluster shares its stores; give all of its nodes the same KENNEL_MONGODB_URL, KENNEL_MILVUS_URL and embedding model",
      );
      break;
    case "name_taken":
      logger.error(
        { peer: node },
        "another node has this one's name and was there first: this one serves alone; give it another KENNEL_NODE_NAME",
      );
      break;
    case "rival":
      logger.error({ peer: node }, "two nodes have this name; the one that began later is not heard");
      break;
    case "yields":
      logger.error(
        "nodes with other stores answer clients over NATS and were there first: this one answers over HTTP alone until they are gone",
      );
      break;
    case "answers":
      logger.info("no nodes with other stores answer clients over NATS any more: this one does");
      break;
    case "other_wire":
      logger.info(
        { peer: node, wire: event.wire },
        "a node speaks another version of what goes over the wire: both use what they know of it",
      );
      break;
    case "clock_jumped":
      logger.warn({ byMs: Math.round(event.byMs) }, "this machine's clock was set: times in the log jump, nothing else depends on it");
      break;
    case "stood_still":
      logger.warn(
        { forMs: Math.round(event.forMs) },
        "this node stood still for so long that others took it for dead: it comes back as a new one",
      );
      break;
    case "leads":
    case "follows":
      logger.info({ peer: node, epoch: event.epoch }, kind === "leads" ? "this node leads" : "this node leads no more");
      break;
    default:
      logger.info({ peer: node, event: kind }, "a node has joined, left or changed");
  }
}
