import { z } from "zod";

/** What a node says of itself, as often as `heartbeatMs`. */
export interface Heartbeat {
  /** Version of the wire that the sender speaks; fields that it does not know have their defaults. */
  readonly wire: number;
  readonly node: string;
  readonly incarnation: Incarnation;
  /** Grows with each heartbeat of an incarnation. */
  readonly sequence: number;
  /** Takes no new work, still ends what it has. */
  readonly isDraining: boolean;
  /** The last heartbeat of this incarnation. */
  readonly isLeaving: boolean;
  /** The longest that its event loop was late in the last seconds. */
  readonly lagMs: number;
  readonly inFlight: number;
  readonly queue: number;
  /** Requests that it works on at once at most. */
  readonly capacity: number;
  /** Share of collections relative to others, > 0. */
  readonly weight: number;
  readonly ready: ReadySet;
  /** Searches that it works on at a time, of the collections that keep it busiest; at most `MAX_BUSY`. */
  readonly busy: ReadonlyMap<string, number>;
  /** Where its HTTP bridge can be reached; empty: not told. */
  readonly url: string;
  /** Whether all nodes that say the same can share their work; empty: not told. */
  readonly stores: string;
  /** Whether it takes questions of clients that come over the shared network. */
  readonly answersClients: boolean;
  /** Highest epoch of a leader that it knows of; 0: none. */
  readonly epoch: number;
  /** Whether it is that leader. */
  readonly isLeader: boolean;
  /** What it can do of a search in its stores; empty: not told. */
  readonly mode: string;
}

/** One life of a node. The wall clock only orders two lives of one name; nothing is measured with it. */
export interface Incarnation {
  readonly startedMs: number;
  readonly id: string;
}

/** Collections that can be searched on a node without waiting. */
export interface ReadySet {
  /** Grows when the names change. */
  readonly version: number;
  /** Null: as in an earlier heartbeat with this version. At most `MAX_READY`, those used last. */
  readonly names: ReadonlySet<string> | null;
}

/** What a node says when it is asked for the names that belong to a version. */
export interface ReadyTold {
  /** The id of its incarnation. */
  readonly incarnation: string;
  readonly version: number;
  readonly names: ReadonlySet<string>;
}

/** 2: hears digests. */
export const WIRE_VERSION = 2;
/** From which version on a node hears of others by digests. */
export const DIGEST_WIRE_VERSION = 2;
/** Names in one heartbeat: 64 characters each at most, so that it fits into a message of any NATS server. */
export const MAX_READY = 4_096;
export const MAX_BUSY = 8;
const MAX_BYTES = 524_288;
const token = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const amount = z.number().min(0).max(1e9);

/** What is missing was added after a version that is still about; what is not known was added later. Neither is an error. */
export const wireHeartbeat = z.object({
  v: z.int().min(1),
  node: token,
  incarnation: z.object({ started_ms: z.number(), id: token }),
  sequence: z.int().min(0),
  draining: z.boolean().default(false),
  leaving: z.boolean().default(false),
  lag_ms: amount.default(0),
  in_flight: amount.default(0),
  queue: amount.default(0),
  capacity: amount.min(1).default(32),
  weight: z.number().min(0.01).max(100).default(1),
  ready: z
    .object({ version: z.int().min(0), names: z.array(token).max(MAX_READY).nullable().default(null) })
    .default({ version: 0, names: null }),
  busy: z.record(token, amount).default({}),
  url: z.string().max(256).default(""),
  stores: z.string().max(64).default(""),
  answers_clients: z.boolean().default(true),
  epoch: z.int().min(0).default(0),
  leader: z.boolean().default(false),
  mode: z.string().max(32).default(""),
});

/** As it stands in JSON, alone or in a digest. */
export function toWire(beat: Heartbeat): z.output<typeof wireHeartbeat> {
  return {
    v: beat.wire,
    node: beat.node,
    incarnation: { started_ms: beat.incarnation.startedMs, id: beat.incarnation.id },
    sequence: beat.sequence,
    draining: beat.isDraining,
    leaving: beat.isLeaving,
    lag_ms: Math.round(beat.lagMs),
    in_flight: beat.inFlight,
    queue: beat.queue,
    capacity: beat.capacity,
    weight: beat.weight,
    ready: { version: beat.ready.version, names: beat.ready.names === null ? null : [...beat.ready.names] },
    busy: Object.fromEntries(beat.busy),
    url: beat.url,
    stores: beat.stores,
    answers_clients: beat.answersClients,
    epoch: beat.epoch,
    leader: beat.isLeader,
    mode: beat.mode,
  };
}

export function encodeHeartbeat(beat: Heartbeat): string {
  return JSON.stringify(toWire(beat));
}

/** As many of the names that are ready as fit: a node that is not heard counts as dead. */
export function encodeHeartbeatWithin(beat: Heartbeat, maxBytes: number): string {
  let names = [...(beat.ready.names ?? [])];
  let text = encodeHeartbeat(beat);
  while (text.length > maxBytes && names.length > 0) {
    names = names.slice(0, names.length >> 1);
    text = encodeHeartbeat({ ...beat, ready: { ...beat.ready, names: new Set(names) } });
  }
  return text;
}

/** Null: too large, no JSON, or without what every version has; whoever hears it counts it and goes on. */
export function parseHeartbeat(text: string): Heartbeat | null {
  if (text.length > MAX_BYTES) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  return readHeartbeat(json);
}

/** Null: without what every version has. */
export function readHeartbeat(json: unknown): Heartbeat | null {
  const parsed = wireHeartbeat.safeParse(json);
  if (!parsed.success) return null;
  const wire = parsed.data;
  return {
    wire: wire.v,
    node: wire.node,
    incarnation: { startedMs: wire.incarnation.started_ms, id: wire.incarnation.id },
    sequence: wire.sequence,
    isDraining: wire.draining,
    isLeaving: wire.leaving,
    lagMs: wire.lag_ms,
    inFlight: wire.in_flight,
    queue: wire.queue,
    capacity: wire.capacity,
    weight: wire.weight,
    ready: { version: wire.ready.version, names: wire.ready.names === null ? null : new Set(wire.ready.names) },
    busy: new Map(Object.entries(wire.busy).slice(0, MAX_BUSY)),
    url: wire.url,
    stores: wire.stores,
    answersClients: wire.answers_clients,
    epoch: wire.epoch,
    isLeader: wire.leader,
    mode: wire.mode,
  };
}

/** Whether `incarnation` began after `other`; the ids decide where the clock does not, so that both sides see the same. */
export function isLater(incarnation: Incarnation, other: Incarnation): boolean {
  if (incarnation.startedMs !== other.startedMs) return incarnation.startedMs > other.startedMs;
  return incarnation.id > other.id;
}
