import { type PlacementNode, placementNode } from "../placement/rendezvous.ts";
import type { Heartbeat, ReadyTold } from "./heartbeat.ts";
import { hear, hearSilence, isPlaceable, isRoutable, judge, learnReady, type Member, type MembershipLimits } from "./member.ts";

export type MembershipEvent =
  | { readonly kind: "joined" | "suspected" | "died" | "left" | "returned" | "draining"; readonly node: string }
  /** Two nodes have one name; told once for each. */
  | { readonly kind: "rival"; readonly node: string };

export interface MembershipCounts {
  readonly heard: number;
  readonly stale: number;
  readonly rivals: number;
  /** Beyond `maxMembers`. */
  readonly refused: number;
}

/** The nodes that one node knows of, itself included. All judgement is in member.ts. */
export class Membership {
  readonly #limits: MembershipLimits;
  readonly #members = new Map<string, Member>();
  readonly #onEvent: (event: MembershipEvent) => void;
  readonly #rivals = new Set<string>();
  readonly #counts = { heard: 0, stale: 0, rivals: 0, refused: 0 };
  #placeable: readonly PlacementNode[] | null = null;
  #placementVersion = 0;
  #sweptMs: number;

  constructor(limits: MembershipLimits, nowMs: number, onEvent: (event: MembershipEvent) => void) {
    this.#limits = limits;
    this.#sweptMs = nowMs;
    this.#onEvent = onEvent;
  }

  get counts(): MembershipCounts {
    return { ...this.#counts };
  }

  /** Grows whenever collections may have to be placed differently. */
  get placementVersion(): number {
    return this.#placementVersion;
  }

  get size(): number {
    return this.#members.size;
  }

  find(node: string): Member | null {
    return this.#members.get(node) ?? null;
  }

  all(): Iterable<Member> {
    return this.#members.values();
  }

  /** Where collections are placed, ordered by name, so that all nodes that see the same place the same. */
  placeable(): readonly PlacementNode[] {
    this.#placeable ??= [...this.#members.values()]
      .filter(isPlaceable)
      .map(({ beat }) => placementNode(beat.node, beat.weight))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#placeable;
  }

  /** As if it had never been heard of. */
  forget(node: string): void {
    if (this.#members.delete(node)) this.#replace();
  }

  /** @param ageMs how old it is, as a digest says; null: the node itself was heard */
  observe(beat: Heartbeat, nowMs: number, ageMs: number | null = null): void {
    const known = this.#members.get(beat.node) ?? null;
    if (known === null && this.#members.size >= this.#limits.maxMembers) {
      this.#counts.refused += 1;
      return;
    }
    const hearing = hear(known, beat, nowMs, ageMs, this.#limits);
    if (hearing.kind === "stale") {
      this.#counts.stale += 1;
      if (known !== null && ageMs !== null) this.#change(known, hearSilence(known, beat, ageMs, nowMs, this.#limits));
    } else if (hearing.kind === "rival") {
      this.#counts.rivals += 1;
      if (!this.#rivals.has(beat.node)) this.#onEvent({ kind: "rival", node: beat.node });
      this.#rivals.add(beat.node);
    } else {
      this.#counts.heard += 1;
      // What is told late is judged at once, or one that is silent would seem to have come back.
      const member =
        ageMs === null ? hearing.member : judge(hearSilence(hearing.member, beat, ageMs, nowMs, this.#limits), nowMs, this.#limits);
      if (member !== null) this.#set(known, member);
    }
  }

  /** What a node has said when it was asked which names belong to its version. */
  learnReady(node: string, told: ReadyTold): void {
    const known = this.#members.get(node);
    if (known !== undefined) this.#change(known, learnReady(known, told));
  }

  /**
   * Judges silence; to be called at least as often as heartbeats are sent. An observer that has itself stood still has
   * heard nobody meanwhile: that time is nobody else's fault.
   */
  sweep(nowMs: number): void {
    const stalledMs = nowMs - this.#sweptMs - 2 * this.#limits.heartbeatMs;
    this.#sweptMs = nowMs;
    for (const [node, known] of this.#members) {
      const heard = stalledMs > 0 ? { ...known, heardMs: Math.min(nowMs, known.heardMs + stalledMs) } : known;
      const judged = judge(heard, nowMs, this.#limits);
      if (judged === known) continue;
      if (judged === null) {
        this.#members.delete(node); // it was no place for collections any more
        this.#rivals.delete(node);
      } else this.#set(known, judged);
    }
  }

  #change(before: Member, after: Member): void {
    if (after !== before) this.#set(before, after);
  }

  #replace(): void {
    this.#placementVersion += 1;
    this.#placeable = null;
  }

  #set(before: Member | null, after: Member): void {
    const { node } = after.beat;
    this.#members.set(node, after);
    const wasPlaceable = before !== null && isPlaceable(before);
    if (wasPlaceable !== isPlaceable(after) || (wasPlaceable && before.beat.weight !== after.beat.weight)) this.#replace();
    const kind = eventOf(before, after);
    if (kind !== null) this.#onEvent({ kind, node });
  }
}

function eventOf(before: Member | null, after: Member): Exclude<MembershipEvent["kind"], "rival"> | null {
  const isAnother = before === null || before.beat.incarnation.id !== after.beat.incarnation.id;
  if (isAnother) return after.state === "left" ? null : "joined";
  if (before.state !== after.state) {
    switch (after.state) {
      case "alive":
        return "returned";
      case "suspect":
        return "suspected";
      case "dead":
        return "died";
      case "left":
        return "left";
    }
  }
  return isRoutable(before) && after.beat.isDraining ? "draining" : null;
}
