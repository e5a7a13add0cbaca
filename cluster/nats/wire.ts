import { z } from "zod";
import { SUBJECT_ROOT } from "../../transport/nats/subjects.ts";
import type { Control } from "../lease/control.ts";
import type { Seat } from "../membership/groups.ts";
import { MAX_READY, type ReadyTold } from "../membership/heartbeat.ts";

/** Subjects that all nodes of a cluster publish to and hear. Queries have others, which nobody keeps. */
export const HEARTBEAT_SUBJECT = `${SUBJECT_ROOT}.cluster.heartbeat`;
/** Heartbeats of one group of several, of those with the same stores. */
export const groupSubject = (stores: string, { count, group }: Seat) => `${SUBJECT_ROOT}.cluster.group.${stores}.${count}.${group}`;
/** What groups tell all others. */
export const DIGEST_SUBJECT = `${SUBJECT_ROOT}.cluster.digest`;
/** What the leader of those with the same stores tells: others on the same NATS have a leader of their own. */
export const controlSubject = (stores: string) => `${SUBJECT_ROOT}.cluster.control.${stores}`;
/** Also for whoever else wants to know. */
export const CHANGES_SUBJECT = `${SUBJECT_ROOT}.events.collections`;

const MAX_BYTES = 524_288;
const token = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const wireControl = z.object({
  epoch: z.int().min(0),
  sequence: z.int().min(0),
  exceptions: z.record(token, z.array(token).min(1).max(64)),
  replicas: z.record(token, z.int().min(1).max(4_096)).default({}),
  mode: z.string().max(32).default(""),
});

export function encodeControl({ epoch, sequence, exceptions, replicas, mode }: Control): string {
  const wire: z.input<typeof wireControl> = {
    epoch,
    sequence,
    exceptions: Object.fromEntries([...exceptions].map(([collection, nodes]) => [collection, [...nodes]])),
    replicas: Object.fromEntries(replicas),
    mode,
  };
  return JSON.stringify(wire);
}

/** Null: not what `encodeControl` writes. */
export function parseControl(text: string): Control | null {
  const wire = parse(wireControl, text);
  if (wire === null) return null;
  const { epoch, sequence, exceptions, replicas, mode } = wire;
  return { epoch, sequence, exceptions: new Map(Object.entries(exceptions)), replicas: new Map(Object.entries(replicas)), mode };
}

/** What a node answers that is asked which collections are ready there; it has more room than a heartbeat. */
const wireReady = z.object({ incarnation: token, version: z.int().min(0), names: z.array(token).max(MAX_READY) });

export type WireReady = z.infer<typeof wireReady>;

export function readyToWire({ incarnation, version, names }: ReadyTold): WireReady {
  return { incarnation, version, names: [...names] };
}

/** Null: not what `readyToWire` makes. */
export function readReady(answer: unknown): ReadyTold | null {
  const wire = wireReady.safeParse(answer).data;
  return wire === undefined ? null : { ...wire, names: new Set(wire.names) };
}

/** A node has changed a collection, or what it holds. */
export interface CollectionChange {
  readonly node: string;
  readonly collection: string;
  /** As in the node's heartbeats. */
  readonly stores: string;
  /** The name is an alias's. */
  readonly isAlias: boolean;
}

const wireChange = z.object({ node: token, collection: token, stores: token, alias: z.boolean().default(false) });

export function encodeChange(change: CollectionChange): string {
  const { node, collection, stores, isAlias } = change;
  const wire: z.input<typeof wireChange> = { node, collection, stores, ...(isAlias ? { alias: true } : {}) };
  return JSON.stringify(wire);
}

/** Null: not what `encodeChange` writes. */
export function parseChange(text: string): CollectionChange | null {
  const wire = parse(wireChange, text);
  return wire === null ? null : { node: wire.node, collection: wire.collection, stores: wire.stores, isAlias: wire.alias };
}

function parse<Value>(schema: z.ZodType<Value>, text: string): Value | null {
  if (text.length > MAX_BYTES) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
