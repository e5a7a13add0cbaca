import { z } from "zod";
import type { Seat } from "./groups.ts";
import { MAX_GROUPS } from "./groups.ts";
import { type Heartbeat, readHeartbeat, toWire, WIRE_VERSION, wireHeartbeat } from "./heartbeat.ts";

/** What one node tells all others of those that it hears in its group. */
export interface Digest {
  /** Who speaks. */
  readonly node: string;
  /** As in heartbeats: of which cluster the group is. */
  readonly stores: string;
  readonly seat: Seat;
  readonly beats: readonly ToldBeat[];
}

/** A node's last heartbeat. Names of what is ready stand in it once, when they have changed. */
export interface ToldBeat {
  readonly beat: Heartbeat;
  /** Since it was heard, by the speaker's monotonic clock. */
  readonly ageMs: number;
}

/** Heartbeats in one message; a group of more than that goes in several. */
const MAX_BEATS = 1_024;
export const MAX_DIGEST_BYTES = 524_288;
const MAX_AGE_MS = 60_000;

const wireDigest = z.object({
  v: z.int().min(1),
  node: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  stores: z.string().max(64).default(""),
  groups: z.int().min(1).max(MAX_GROUPS),
  group: z
    .int()
    .min(0)
    .max(MAX_GROUPS - 1),
  /** Fields of heartbeats that all in this message have alike. */
  common: z.record(z.string(), z.unknown()).default({}),
  beats: z.array(z.looseObject({ age_ms: z.number().min(0) })).max(MAX_BEATS),
});

type WireBeat = Readonly<Record<string, unknown>>;

/** No node's are another's. */
const OWN_FIELDS: readonly string[] = ["node", "incarnation", "sequence", "ready"];
/** What every version says has no default. */
const NEEDED = { v: 1, node: "x", incarnation: { started_ms: 0, id: "x" }, sequence: 0 };
/** What a heartbeat means that says nothing else: these fields are left out. */
const DEFAULTS: WireBeat = Object.fromEntries(Object.entries(wireHeartbeat.parse(NEEDED)).filter(([key]) => !(key in NEEDED)));

/**
 * One message, or as many as the bytes need: each stands by itself. Names that do not fit are left out; who lacks them asks.
 * Longer than `maxBytes` is only a single heartbeat that is so without them.
 * @param maxBytes of a message; `MAX_DIGEST_BYTES` where it is more
 */
export function encodeDigest(digest: Digest, maxBytes: number): string[] {
  const most = Math.min(maxBytes, MAX_DIGEST_BYTES);
  const text = digest.beats.length <= MAX_BEATS ? encode(digest) : "";
  if (text !== "" && text.length <= most) return [text];
  const { beats } = digest;
  if (beats.length > 1) {
    const half = beats.length >> 1;
    return [
      ...encodeDigest({ ...digest, beats: beats.slice(0, half) }, most),
      ...encodeDigest({ ...digest, beats: beats.slice(half) }, most),
    ];
  }
  return [encode({ ...digest, beats: beats.map(({ beat, ageMs }) => ({ ageMs, beat: withoutNames(beat) })) })];
}

export function withoutNames(beat: Heartbeat): Heartbeat {
  return beat.ready.names === null ? beat : { ...beat, ready: { ...beat.ready, names: null } };
}

function encode({ node, stores, seat, beats }: Digest): string {
  const wires: WireBeat[] = beats.map(({ beat }) => toWire(beat));
  const common = commonOf(wires);
  const told = wires.map((wire, at) => ({ ...differing(wire, common), age_ms: Math.round(beats[at]?.ageMs ?? 0) }));
  return JSON.stringify({ v: WIRE_VERSION, node, stores, groups: seat.count, group: seat.group, common, beats: told });
}

/** Fields that all have alike and that no default says. */
function commonOf(wires: readonly WireBeat[]): WireBeat {
  const [first = {}, ...others] = wires;
  const isCommon = (key: string) => !OWN_FIELDS.includes(key) && others.every((other) => isSame(other[key], first[key]));
  return Object.fromEntries(Object.entries(first).filter(([key, value]) => isCommon(key) && !isSame(value, DEFAULTS[key])));
}

function differing(wire: WireBeat, common: WireBeat): Record<string, unknown> {
  const own = Object.entries(wire).filter(([key, value]) => !isSame(value, key in common ? common[key] : DEFAULTS[key]));
  const told: Record<string, unknown> = Object.fromEntries(own);
  const ready = wire.ready as Heartbeat["ready"];
  if ("ready" in told && ready.names === null) told.ready = { version: ready.version };
  return told;
}

function isSame(value: unknown, other: unknown): boolean {
  return value === other || (typeof value === "object" && JSON.stringify(value) === JSON.stringify(other));
}

/** Null: too large, or not what `encodeDigest` of any version writes; what of it is no heartbeat is left out. */
export function parseDigest(text: string): Digest | null {
  if (text.length > MAX_DIGEST_BYTES) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = wireDigest.safeParse(json);
  if (!parsed.success) return null;
  const { node, stores, groups, group, common, beats } = parsed.data;
  if (group >= groups) return null;
  const told: ToldBeat[] = [];
  for (const { age_ms: ageMs, ...own } of beats) {
    const beat = readHeartbeat({ ...common, ...own });
    if (beat !== null) told.push({ beat, ageMs: Math.min(ageMs, MAX_AGE_MS) });
  }
  return { node, stores, seat: { count: groups, group }, beats: told };
}
