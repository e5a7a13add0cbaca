import { hashName, placementNode, timeOf } from "../placement/rendezvous.ts";
import type { Digest, ToldBeat } from "./digest.ts";
import { withoutNames } from "./digest.ts";
import type { Seat } from "./groups.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Member, MembershipLimits } from "./member.ts";

// Invariants:
//   S1. The nearest living node of a group, by rendezvous hashing, tells of it at every heartbeat. Another one tells when no
//       nearer one has told of this other one for as long as its rank says: a speaker that falls silent is replaced without a word,
//       and a node that nobody tells of tells of itself. What lacks as many of its heartbeats as make a suspect does not count:
//       a speaker that hears nobody any more, and is heard, would have its whole group taken for dead.
//   S2. A digest tells of those that the speaker has heard in this group and does not take for dead, those included that have
//       just left.
//   S3. Names of what is ready are told once, when they have changed; a node that missed them asks (see missing_names.ts). For
//       clients that follow, and cannot ask, one node's are told again with every `repeatEvery`th digest, by turns.

interface Seated {
  /** When it last spoke in this group. */
  heardMs: number;
  /** Its nearness to the group. */
  readonly time: number;
  /** Of which life, and up to which version its names have been told to all. */
  incarnation: string;
  toldVersion: number;
}

export interface RosterView {
  find(node: string): Member | null;
}

/** Who is heard in one group, and whose turn it is to tell all others of them. */
export class Roster {
  readonly seat: Seat;
  readonly #self: string;
  readonly #members: RosterView;
  readonly #limits: MembershipLimits;
  readonly #key: number;
  readonly #heard = new Map<string, Seated>();
  readonly #sinceMs: number;
  /** When a nearer one has told of this node; at first when this node came. */
  #toldMs: number;
  #spokeMs: number | null = null;
  readonly #repeatEvery: number;
  #digests = 0;

  constructor(seat: Seat, self: string, members: RosterView, limits: MembershipLimits, repeatEvery: number, nowMs: number) {
    this.#repeatEvery = repeatEvery;
    this.seat = seat;
    this.#self = self;
    this.#members = members;
    this.#limits = limits;
    this.#key = hashName(`group.${seat.count}.${seat.group}`);
    this.#sinceMs = nowMs;
    this.#toldMs = nowMs;
  }

  /** A heartbeat that came in this group, this node's own included. */
  hear(beat: Heartbeat, nowMs: number): void {
    const known = this.#heard.get(beat.node);
    if (known !== undefined && known.incarnation === beat.incarnation.id) {
      known.heardMs = nowMs;
      return;
    }
    if (known === undefined && this.#heard.size >= this.#limits.maxMembers) return;
    const { incarnation, ready } = beat;
    const time = known?.time ?? timeOf(this.#key, placementNode(beat.node, 1));
    this.#heard.set(beat.node, { heardMs: nowMs, time, incarnation: incarnation.id, toldVersion: ready.version });
  }

  /** Another node has told of this group. */
  hearDigest({ node, beats }: Digest, selfIncarnation: string, nowMs: number): void {
    for (const { beat } of beats) {
      const known = this.#heard.get(beat.node);
      if (known !== undefined && known.incarnation === beat.incarnation.id && beat.ready.names !== null)
        known.toldVersion = Math.max(known.toldVersion, beat.ready.version); // S3
    }
    const isNearer = this.#ranked(nowMs).some((name) => name === node);
    const { suspectAfterMs, heartbeatMs } = this.#limits;
    const staleSequence = (this.#members.find(this.#self)?.beat.sequence ?? 0) - suspectAfterMs / heartbeatMs;
    const isOfNow = ({ node: told, incarnation, sequence: heard }: Heartbeat) =>
      told === this.#self && incarnation.id === selfIncarnation && heard > staleSequence;
    if (isNearer && beats.some(({ beat }) => isOfNow(beat))) this.#toldMs = nowMs;
  }

  /** S1: whether this node is to tell all others now. */
  isToSpeak(nowMs: number): boolean {
    const { heartbeatMs, deadAfterMs } = this.#limits;
    for (const [node, { heardMs }] of this.#heard) if (nowMs - heardMs >= deadAfterMs) this.#heard.delete(node);
    if (nowMs - Math.max(this.#spokeMs ?? 0, this.#sinceMs) < heartbeatMs) return false; // who comes is still heard where it was
    const rank = this.#ranked(nowMs).length;
    const patienceMs = rank === 0 ? 0 : heartbeatMs * (1 + rank / 2);
    return nowMs - this.#toldMs >= Math.min(patienceMs, this.#limits.suspectAfterMs);
  }

  /** Whether it is this node that tells, as far as it knows. */
  isSpeaking(nowMs: number): boolean {
    return this.#spokeMs !== null && nowMs - this.#spokeMs < 2 * this.#limits.heartbeatMs;
  }

  /** How many are heard, and were of late. */
  get size(): number {
    return this.#heard.size;
  }

  /** What is to be told now; it counts as told. */
  speak(nowMs: number): readonly ToldBeat[] {
    this.#spokeMs = nowMs;
    this.#digests += 1;
    const repeated = this.#digests % this.#repeatEvery === 0 ? (this.#digests / this.#repeatEvery) % this.#heard.size : -1;
    const told: ToldBeat[] = [];
    let place = 0;
    for (const [node, seated] of this.#heard) {
      const member = this.#members.find(node);
      const isRepeated = place++ === repeated;
      if (member !== null && isToBeTold(member, seated, nowMs, this.#limits)) told.push(tell(member, seated, isRepeated, nowMs));
    }
    return told;
  }

  /** What is to be told of one; null: it is not of this group. */
  tellOf(node: string, nowMs: number): ToldBeat | null {
    const seated = this.#heard.get(node);
    const member = this.#members.find(node);
    if (seated === undefined || member === null || !isToBeTold(member, seated, nowMs, this.#limits)) return null;
    return tell(member, seated, false, nowMs);
  }

  /** Living nodes of the group that are nearer than this one: they tell before it does. */
  #ranked(nowMs: number): readonly string[] {
    const own = this.#orderOf(this.#self);
    const nearer: string[] = [];
    for (const [node, { heardMs }] of this.#heard) {
      if (node === this.#self || nowMs - heardMs >= this.#limits.suspectAfterMs) continue;
      const member = this.#members.find(node);
      if (member?.state !== "alive") continue;
      if (own === null || isBefore(this.#orderOf(node), own)) nearer.push(node);
    }
    return nearer;
  }

  /** Those that are about to leave come last. */
  #orderOf(node: string): readonly [number, number, string] | null {
    const seated = this.#heard.get(node);
    if (seated === undefined) return null;
    return [this.#members.find(node)?.beat.isDraining === true ? 1 : 0, seated.time, node];
  }
}

function isBefore(order: readonly [number, number, string] | null, other: readonly [number, number, string]): boolean {
  if (order === null) return false;
  if (order[0] !== other[0]) return order[0] < other[0];
  return order[1] === other[1] ? order[2] < other[2] : order[1] < other[1];
}

/** S2 */
function isToBeTold({ beat, state, newsMs }: Member, { incarnation }: Seated, nowMs: number, limits: MembershipLimits): boolean {
  if (state === "dead" || beat.incarnation.id !== incarnation) return false;
  return state !== "left" || nowMs - newsMs < limits.suspectAfterMs;
}

function tell({ beat, ready, newsMs }: Member, seated: Seated, isRepeated: boolean, nowMs: number): ToldBeat {
  const ageMs = Math.max(0, nowMs - newsMs);
  const { version } = beat.ready;
  if (ready === null || (version <= seated.toldVersion && !isRepeated)) return { ageMs, beat: withoutNames(beat) };
  seated.toldVersion = version;
  return { ageMs, beat: { ...beat, ready: { version, names: ready } } };
}
