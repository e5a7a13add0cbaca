import type { Random } from "../../runtime/random.ts";
import type { ClusterNetwork } from "../ports.ts";
import type { Digest } from "./digest.ts";
import { type GroupOptions, type GroupPlan, type GroupView, isSameSeat, MESH, placesOf, type Seat, stepGroups } from "./groups.ts";
import { DIGEST_WIRE_VERSION, type Heartbeat } from "./heartbeat.ts";
import type { MembershipLimits } from "./member.ts";
import type { Membership } from "./membership.ts";
import { MISSING_NAMES_OPTIONS, MissingNames } from "./missing_names.ts";
import { Roster } from "./roster.ts";

export interface GroupingParts {
  readonly self: string;
  readonly stores: string;
  readonly network: Pick<ClusterNetwork<never, never>, "publishHeartbeat" | "publishToGroup" | "publishDigest" | "hearGroups" | "askReady">;
  readonly membership: Membership;
  readonly limits: MembershipLimits;
  readonly options: GroupOptions;
  readonly random: Random;
  /** Names that were asked for have come. */
  readonly onReady: (node: string) => void;
}

/** One node's part in how heartbeats travel: whom it tells, whose group it hears, and when it speaks for its group. */
export class Grouping {
  readonly #parts: GroupingParts;
  readonly #missing: MissingNames;
  #plan: GroupPlan = MESH;
  #seats: readonly Seat[] = [];
  #isMesh = true;
  #rosters: readonly Roster[] = [];
  /** What all were told at once last. */
  #announced: { readonly incarnation: string; readonly isDraining: boolean } | null = null;

  constructor(parts: GroupingParts) {
    this.#parts = parts;
    this.#missing = new MissingNames(MISSING_NAMES_OPTIONS, parts.random);
  }

  /** Groups that heartbeats belong to; 0: all hear all. */
  get count(): number {
    return this.#plan.count;
  }

  /** Whether this node tells all others of its group. */
  isSpeaking(nowMs: number): boolean {
    return this.#rosters.some((roster) => roster.seat.count === this.#plan.count && roster.isSpeaking(nowMs));
  }

  /** To the groups of this node, and to all where there are none or where it cannot wait: who joins, drains or leaves says so to all at once. */
  publish(beat: Heartbeat, nowMs: number): void {
    const { network } = this.#parts;
    const { incarnation, isDraining, isLeaving } = beat;
    const isNews = isLeaving || this.#announced?.incarnation !== incarnation.id || this.#announced.isDraining !== isDraining;
    if (this.#isMesh || isNews) network.publishHeartbeat(beat);
    this.#announced = { incarnation: incarnation.id, isDraining };
    for (const roster of this.#rosters) {
      network.publishToGroup(roster.seat, beat);
      roster.hear(beat, nowMs);
    }
  }

  /** As a new incarnation, which nobody has heard of. */
  beginAnew(nowMs: number): void {
    if (this.#plan.count === 0) return;
    this.#plan = { count: 0, former: { count: this.#plan.count, untilMs: nowMs + this.#parts.options.overlapMs }, wanted: null };
    this.#take(nowMs);
  }

  /** Of a member that was heard in a group. */
  hear(seat: Seat, beat: Heartbeat, nowMs: number): void {
    for (const roster of this.#rosters) if (isSameSeat(roster.seat, seat)) roster.hear(beat, nowMs);
  }

  hearDigest(digest: Digest, selfIncarnation: string, nowMs: number): void {
    for (const roster of this.#rosters) if (isSameSeat(roster.seat, digest.seat)) roster.hearDigest(digest, selfIncarnation, nowMs);
  }

  /** @param isSilent whether this node is to say nothing */
  step(strangersHearDigests: boolean, isSilent: boolean, nowMs: number): void {
    const { options, membership } = this.#parts;
    const plan = stepGroups(this.#plan, this.#view(strangersHearDigests), nowMs, options);
    if (plan !== this.#plan) {
      this.#plan = plan;
      this.#take(nowMs);
    }
    if (isSilent) return;
    for (const roster of this.#rosters) if (roster.isToSpeak(nowMs)) this.#speak(roster, nowMs);
    for (const node of this.#missing.step(membership.all(), nowMs)) this.#ask(node);
  }

  /** A member has gone silent: whoever tells of it says so at once, since for the others nobody is late before a digest is. */
  suspected(node: string, nowMs: number): void {
    const { network, self, stores } = this.#parts;
    for (const roster of this.#rosters) {
      const told = roster.isSpeaking(nowMs) ? roster.tellOf(node, nowMs) : null;
      if (told !== null) network.publishDigest({ node: self, stores, seat: roster.seat, beats: [told] });
    }
  }

  #speak(roster: Roster, nowMs: number): void {
    const { network, self, stores } = this.#parts;
    network.publishDigest({ node: self, stores, seat: roster.seat, beats: roster.speak(nowMs) });
  }

  #ask(node: string): void {
    const { network, membership, onReady } = this.#parts;
    network.askReady(node, MISSING_NAMES_OPTIONS.timeoutMs, (told) => {
      this.#missing.asked(node);
      if (told === null) return;
      membership.learnReady(node, told);
      onReady(node);
    });
  }

  #view(strangersHearDigests: boolean): GroupView {
    let nodes = 0;
    let allHearDigests = strangersHearDigests;
    for (const { beat, state } of this.#parts.membership.all()) {
      if (state === "dead" || state === "left") continue;
      nodes += 1;
      if (beat.wire < DIGEST_WIRE_VERSION) allHearDigests = false;
    }
    return { nodes, allHearDigests };
  }

  /** Takes the places of the plan, and keeps what it knows of those that it had. */
  #take(nowMs: number): void {
    const { self, membership, limits, options, network } = this.#parts;
    const { isMesh, seats } = placesOf(this.#plan, self);
    this.#isMesh = isMesh;
    const isSame = seats.length === this.#seats.length && seats.every((seat, at) => isSameSeat(seat, this.#seats[at] as Seat));
    if (isSame) return;
    this.#seats = seats;
    network.hearGroups(seats);
    const known = (seat: Seat) => this.#rosters.find((roster) => isSameSeat(roster.seat, seat));
    this.#rosters = seats.map((seat) => known(seat) ?? new Roster(seat, self, membership, limits, options.repeatEvery, nowMs));
  }
}
