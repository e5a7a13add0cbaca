import type { Heartbeat, ReadySet } from "./heartbeat.ts";

// Invariants:
//   M1. Time is the observer's own monotonic clock; what a heartbeat says of time is never compared with it.
//   M2. Within an incarnation only a higher sequence is news: repeated and reordered heartbeats change nothing.
//   M3. Another incarnation of a name takes its place only when the known one is not alive. While both are heard, the
//       known one stays and the other is a rival: two nodes were given one name.
//   M4. A node that says it is slow is given longer, within a bound.

export interface MembershipLimits {
  readonly heartbeatMs: number;
  /** Without a heartbeat for this long no request goes there. */
  readonly suspectAfterMs: number;
  /** Without a heartbeat for this long its collections are placed anew. */
  readonly deadAfterMs: number;
  /** How much longer per millisecond of lag that the node has told of. */
  readonly lagFactor: number;
  readonly maxWideningMs: number;
  /** Who has been dead or gone for this long is forgotten. */
  readonly forgetAfterMs: number;
  /** Nodes that are known at a time; heartbeats of others are counted and dropped. */
  readonly maxMembers: number;
}

export const MEMBERSHIP_LIMITS: MembershipLimits = {
  heartbeatMs: 500,
  suspectAfterMs: 1_500,
  deadAfterMs: 5_000,
  lagFactor: 2,
  maxWideningMs: 3_000,
  forgetAfterMs: 600_000,
  maxMembers: 4_096,
};

/**
 * `alive`: heard in time. `suspect`: late; keeps its collections, gets no requests. `dead`: so late that others take its
 * collections. `left`: has said that it goes.
 */
export type MemberState = "alive" | "suspect" | "dead" | "left";

/** What one node knows of another. */
export interface Member {
  readonly beat: Heartbeat;
  readonly state: MemberState;
  /** When the state began. */
  readonly sinceMs: number;
  /** When the last news came. */
  readonly heardMs: number;
  /** The names that belong to the version that the last heartbeat told; null: not heard yet. */
  readonly ready: ReadonlySet<string> | null;
}

export type Hearing =
  | { readonly kind: "news"; readonly member: Member }
  /** Repeated or overtaken. */
  | { readonly kind: "stale" }
  /** Of another node with the same name. */
  | { readonly kind: "rival" };

/** @param known null: the first heartbeat of this name */
export function hear(known: Member | null, beat: Heartbeat, nowMs: number): Hearing {
  if (known !== null) {
    if (known.beat.incarnation.id !== beat.incarnation.id) {
      if (known.state === "alive") return { kind: "rival" }; // M3
      return { kind: "news", member: begin(beat, nowMs) };
    }
    if (beat.sequence <= known.beat.sequence) return { kind: "stale" }; // M2
  }
  if (known === null) return { kind: "news", member: begin(beat, nowMs) };
  const state = beat.isLeaving ? "left" : "alive";
  return {
    kind: "news",
    member: {
      beat,
      state,
      sinceMs: state === known.state ? known.sinceMs : nowMs,
      heardMs: nowMs,
      ready: readyNames(beat.ready, known),
    },
  };
}

function begin(beat: Heartbeat, nowMs: number): Member {
  return { beat, state: beat.isLeaving ? "left" : "alive", sinceMs: nowMs, heardMs: nowMs, ready: readyNames(beat.ready, null) };
}

function readyNames(ready: ReadySet, known: Member | null): ReadonlySet<string> | null {
  if (known !== null && known.ready !== null && known.beat.ready.version === ready.version) return known.ready;
  return ready.names;
}

/** What silence makes of a member. The same object when nothing has changed; null: it is to be forgotten. */
export function judge(member: Member, nowMs: number, limits: MembershipLimits): Member | null {
  const silentMs = nowMs - member.heardMs;
  if (member.state === "left" || member.state === "dead") return silentMs >= limits.forgetAfterMs ? null : member;
  const wideningMs = Math.min(limits.maxWideningMs, member.beat.lagMs * limits.lagFactor); // M4
  if (silentMs >= limits.deadAfterMs + wideningMs) return { ...member, state: "dead", sinceMs: nowMs };
  if (member.state === "alive" && silentMs >= limits.suspectAfterMs + wideningMs) return { ...member, state: "suspect", sinceMs: nowMs };
  return member;
}

/** Whether requests may go there. */
export function isRoutable(member: Member): boolean {
  return member.state === "alive" && !member.beat.isDraining;
}

/** Whether collections are placed there: a suspect keeps what it has, one that drains is already succeeded. */
export function isPlaceable(member: Member): boolean {
  return (member.state === "alive" || member.state === "suspect") && !member.beat.isDraining;
}
