import type { Clock } from "../../runtime/clock.ts";
import type { LinkState } from "../../transport/nats/link.ts";
import type { SearchCluster } from "./clustered_transport.ts";

/** Collections whose places are shown. */
const MAX_PLACES = 200;

/** The cluster as this node sees it: a part of `/v1/status`. */
export function describeCluster(
  cluster: SearchCluster,
  link: { readonly state: LinkState },
  counts: Readonly<Record<string, number>>,
  configuration: object,
  clock: Clock,
): object {
  const nowMs = clock.monotonicMs();
  const members = [...cluster.membership.all()].sort((a, b) => (a.beat.node < b.beat.node ? -1 : 1));
  const leader = members.find(({ state, beat }) => state === "alive" && beat.isLeader && beat.epoch >= cluster.control.epoch);
  const places = new Map<string, string[]>();
  for (const { beat, ready, state } of members) {
    if (state !== "alive") continue;
    for (const name of ready ?? []) {
      const nodes = places.get(name);
      if (nodes !== undefined) nodes.push(beat.node);
      else if (places.size < MAX_PLACES) places.set(name, [beat.node]);
    }
  }
  return {
    connection: link.state.kind,
    is_name_taken: cluster.isExcluded,
    leader: leader?.beat.node ?? null,
    mode: cluster.control.mode,
    epoch: cluster.control.epoch,
    heartbeats: { groups: cluster.groups.count, speaks: cluster.groups.isSpeaking },
    nodes: members.map(({ beat, state, heardMs, sinceMs, ready }) => ({
      node: beat.node,
      state: state === "alive" && beat.isDraining ? "draining" : state,
      since_s: seconds(nowMs - sinceMs),
      heard_s: seconds(nowMs - heardMs),
      lag_ms: beat.lagMs,
      in_flight: beat.inFlight,
      queue: beat.queue,
      capacity: beat.capacity,
      collections: ready?.size ?? 0,
      url: beat.url,
    })),
    collections: [...places].map(([collection, nodes]) => ({ collection, nodes, owners: cluster.placement.ownersOf(collection) })),
    pending_moves: cluster.pendingMoves,
    queries: { open: cluster.router.open, forwarded: cluster.forwarded, ...cluster.router.counts },
    counts,
    configuration,
  };
}

function seconds(durationMs: number): number {
  return Math.round(durationMs / 100) / 10;
}
