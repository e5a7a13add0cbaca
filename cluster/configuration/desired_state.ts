/**
 * What is told of collections and aliases where all nodes look: enough to see whether a node's view is level with what
 * another one has made of them. The document store stays the truth; an entry that differs says that it is time to read it.
 */
import { z } from "zod";

/** A collection as a node has written it. Fields that are missing were added after a version that is still about. */
export interface DesiredCollection {
  readonly node: string;
  /** Tells two of one name apart. */
  readonly createdAtMs: number;
  /** The build that is searched. */
  readonly version: number;
  readonly indexVersion: number;
  /** Places by its settings. */
  readonly replicas: number;
  /** Of all its settings. */
  readonly settingsDigest: string;
}

export interface DesiredAlias {
  readonly node: string;
  readonly collection: string;
  /** Null: the collection's active build. */
  readonly version: number | null;
}

const WIRE_VERSION = 1;
const MAX_BYTES = 4_096;
const name = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const version = z.int().min(0);

const wireCollection = z.object({
  v: z.int().min(1),
  node: name,
  created_at_ms: z.number(),
  version,
  index_version: version.default(0),
  replicas: z.int().min(1).max(4_096).default(1),
  settings: z.string().max(64).default(""),
});

const wireAlias = z.object({ v: z.int().min(1), node: name, collection: name, version: version.nullable().default(null) });

export function encodeCollection(desired: DesiredCollection): string {
  const wire: z.input<typeof wireCollection> = {
    v: WIRE_VERSION,
    node: desired.node,
    created_at_ms: desired.createdAtMs,
    version: desired.version,
    index_version: desired.indexVersion,
    replicas: desired.replicas,
    settings: desired.settingsDigest,
  };
  return JSON.stringify(wire);
}

/** Null: not what `encodeCollection` of any version writes. */
export function parseCollection(text: string): DesiredCollection | null {
  const wire = parse(wireCollection, text);
  if (wire === null) return null;
  const { node, version: active, replicas } = wire;
  return {
    node,
    createdAtMs: wire.created_at_ms,
    version: active,
    indexVersion: wire.index_version,
    replicas,
    settingsDigest: wire.settings,
  };
}

export function encodeAlias({ node, collection, version: pinned }: DesiredAlias): string {
  const wire: z.input<typeof wireAlias> = { v: WIRE_VERSION, node, collection, version: pinned };
  return JSON.stringify(wire);
}

/** Null: not what `encodeAlias` of any version writes. */
export function parseAlias(text: string): DesiredAlias | null {
  const wire = parse(wireAlias, text);
  return wire === null ? null : { node: wire.node, collection: wire.collection, version: wire.version };
}

/**
 * Whether a node that has `known` must look at the store because of what it was told. An index version that is behind the own
 * one was overtaken; a settings digest that was not told cannot differ.
 */
export function isLevel(known: DesiredCollection | null, told: DesiredCollection): boolean {
  return (
    known !== null &&
    known.createdAtMs === told.createdAtMs &&
    known.version === told.version &&
    known.indexVersion >= told.indexVersion &&
    known.replicas === told.replicas &&
    (told.settingsDigest === "" || known.settingsDigest === told.settingsDigest)
  );
}

function parse<Value>(schema: z.ZodType<Value>, text: string): Value | null {
  if (text.length > MAX_BYTES) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
