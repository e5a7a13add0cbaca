import { type Heartbeat, WIRE_VERSION } from "../../cluster/membership/heartbeat.ts";

/** A heartbeat of an idle node that holds nothing. */
export function beatOf(node: string, sequence: number, changes: Partial<Heartbeat> = {}): Heartbeat {
  return {
    wire: WIRE_VERSION,
    node,
    incarnation: { startedMs: 1, id: `${node}-1` },
    sequence,
    isDraining: false,
    isLeaving: false,
    lagMs: 0,
    inFlight: 0,
    queue: 0,
    capacity: 32,
    weight: 1,
    ready: { version: 0, names: null },
    url: "",
    busy: new Map(),
    stores: "shared",
    answersClients: true,
    epoch: 0,
    isLeader: false,
    mode: "",
    ...changes,
  };
}
