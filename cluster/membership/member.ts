import type { Heartbeat, ReadySet, ReadyTold } from "./heartbeat.ts";

// Invariants:
//   M1. Time is the observer's own monotonic clock; what a heartbeat says of time is never compared with it.
//   M2. Within an incarnation only a higher sequence is news: repeated and reordered heartbeats change nothing.
//   M3. Another incarnation of a name takes its place only when the known one is not alive. While both are heard, the
//       known one stays and the other is a rival: two nodes were given one name.
//   M4. A node that says it is slow is given longer, within a bound.
//   M5. What a digest tells of a node is as old as its speaker says, counted back from when the digest came: it makes nobody
//       younger. Of another incarnation it is news only if that one was heard after the known one was last.
//   M6. Who is told of by digests is suspected no sooner than two of them could have come since the one that brought its last
//       news: a speaker may be lost and has to be replaced. Unless a digest says itself that the node is silent.

export interface MembershipLimits {
  readonly heartbeatMs: number;
  /** Without a heartbeat for this long no request goes there. */
  readonly suspectAfterMs: number;
  /** Without a heartbeat for this long its collections are placed anew. */
  readonly deadAfterMs: number;
  /** How much longer per millisecond of lag that the node has told of. */
  readonly lagFactor: number;
  readonly maxWideningMs: number;
  /** Nobody is suspected sooner than this after a digest has brought its last news. */
  readonly digestPatienceMs: number;
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
  digestPatienceMs: 1_250,
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
  /** When the last news came; later by what this observer stood still since. */
  readonly heardMs: number;
  /** When the last news came to whoever heard the node itself. */
  readonly newsMs: number;
  /** When a digest last brought news; null: none has. */
  readonly toldMs: number | null;
  /** The names that belong to the version that the last heartbeat told; null: not heard yet. */
  readonly ready: ReadonlySet<string> | null;
}

export type Hearing =
  | { readonly kind: "news"; readonly member: Member }
  /** Repeated or overtaken. */
  | { readonly kind: "stale" }
  /** Of another node with the same name. */
  | { readonly kind: "rival" };

/**
 * @param known null: the first heartbeat of this name
 * @param ageMs how old the heartbeat is, as a digest says; null: the node itself was heard
 */
export function hear(known: Member | null, beat: Heartbeat, nowMs: number, ageMs: number | null, limits: MembershipLimits): Hearing {
  if (known === null) return { kind: "news", member: begin(beat, nowMs, ageMs) };
  const newsMs = nowMs - (ageMs ?? 0);
  if (known.beat.incarnation.id !== beat.incarnation.id) {
    if (known.state === "alive")
      return ageMs === null || newsMs > known.sinceMs + limits.heartbeatMs ? { kind: "rival" } : { kind: "stale" }; // M3
    return ageMs === null || newsMs > known.newsMs ? { kind: "news", member: begin(beat, nowMs, ageMs) } : { kind: "stale" }; // M5
  }
  if (beat.sequence <= known.beat.sequence) return { kind: "stale" }; // M2
  const state = beat.isLeaving ? "left" : "alive";
  return {
    kind: "news",
    member: {
      beat,
      state,
      sinceMs: state === known.state ? known.sinceMs : nowMs,
      heardMs: Math.max(known.heardMs, newsMs),
      newsMs: Math.max(known.newsMs, newsMs),
      toldMs: ageMs === null ? known.toldMs : nowMs,
      ready: readyNames(beat.ready, known),
    },
  };
}

function begin(beat: Heartbeat, nowMs: number, ageMs: number | null): Member {
  const newsMs = nowMs - (ageMs ?? 0);
  return {
    beat,
    state: beat.isLeaving ? "left" : "alive",
    sinceMs: nowMs,
    heardMs: newsMs,
    newsMs,
    toldMs: ageMs === null ? null : nowMs,
    ready: readyNames(beat.ready, null),
  };
}

/** The names that a node has told when asked; the same object where they are not those that its last heartbeat means. */
export function learnReady(member: Member, { incarnation, version, names }: ReadyTold): Member {
  const isMeant = member.beat.incarnation.id === incarnation && member.beat.ready.version === version;
  return isMeant && member.ready === null ? { ...member, ready: names } : member;
}

/** Whether its names are to be asked for: it has told of a set that was not heard, and of those in other groups no heartbeat brings it again. */
export function lacksNames({ state, toldMs, ready, beat }: Member): boolean {
  return state === "alive" && toldMs !== null && ready === null && beat.ready.version > 0;
}

/**
 * What a digest that brings no news says by that: whoever hears the node has not heard it for `ageMs`. The same object where
 * nothing has changed (M6).
 */
export function hearSilence(known: Member, beat: Heartbeat, ageMs: number, nowMs: number, limits: MembershipLimits): Member {
  const isSame = known.beat.incarnation.id === beat.incarnation.id && known.beat.sequence === beat.sequence;
  const isSilent = ageMs >= limits.suspectAfterMs + wideningMs(known, limits);
  return isSame && isSilent && known.state === "alive" ? { ...known, state: "suspect", sinceMs: nowMs } : known;
}

function readyNames(ready: ReadySet, known: Member | null): ReadonlySet<string> | null {
  if (known !== null && known.ready !== null && known.beat.ready.version === ready.version) return known.ready;
  return ready.names;
}

/** What silence makes of a member. The same object when nothing has changed; null: it is to be forgotten. */
export function judge(member: Member, nowMs: number, limits: MembershipLimits): Member | null {
  const silentMs = nowMs - member.heardMs;
  if (member.state === "left" || member.state === "dead") return silentMs >= limits.forgetAfterMs ? null : member;
  const graceMs = wideningMs(member, limits);
  if (silentMs >= limits.deadAfterMs + graceMs) return { ...member, state: "dead", sinceMs: nowMs };
  const mayBeTold = member.toldMs !== null && nowMs - member.toldMs < limits.digestPatienceMs; // M6
  if (member.state === "alive" && silentMs >= limits.suspectAfterMs + graceMs && !mayBeTold)
    return { ...member, state: "suspect", sinceMs: nowMs };
  return member;
}

/** M4 */
function wideningMs({ beat }: Member, limits: MembershipLimits): number {
  return Math.min(limits.maxWideningMs, beat.lagMs * limits.lagFactor);
}

/** Whether requests may go there. */
export function isRoutable(member: Member): boolean {
  return member.state === "alive" && !member.beat.isDraining;
}

/** Whether collections are placed there: a suspect keeps what it has, one that drains is already succeeded. */
export function isPlaceable(member: Member): boolean {
  return (member.state === "alive" || member.state === "suspect") && !member.beat.isDraining;
}
