import { hashName } from "../placement/rendezvous.ts";

/**
 * Where heartbeats go: in a mesh to all nodes, in groups to those of the sender's group, of whom one tells all others.
 *
 * Invariants:
 *   G1. Nobody need agree on the number of groups: a node says in the subject which groups it is of, tells of those that it
 *       hears there, and hears the digests of all groups of whatever number. Who is alone with its number tells of itself.
 *   G2. While anybody speaks a version of the wire that hears no digests, all are a mesh, at once.
 *   G3. A change is made when it has been wanted for `settleMs`; for `overlapMs` after it a node is in both places.
 *   G4. The number changes by powers of two, and only when n has left the span around the last change: nodes that come and go
 *       at a boundary move nobody to and fro.
 */
export interface GroupOptions {
  /** Up to so many nodes all hear all. */
  readonly meshNodes: number;
  readonly settleMs: number;
  readonly overlapMs: number;
  /** Every so many digests tell again what is ready at one node. */
  readonly repeatEvery: number;
}

export const GROUP_OPTIONS: GroupOptions = { meshNodes: 300, settleMs: 3_000, overlapMs: 2_000, repeatEvery: 4 };

/** One of `count` groups. */
export interface Seat {
  readonly count: number;
  /** In 0..count-1. */
  readonly group: number;
}

/** What a node has made of how many nodes there are. A count of 0 is the mesh. */
export interface GroupPlan {
  readonly count: number;
  /** Where it was before, and for how long it stays there, too; null: nowhere else. */
  readonly former: { readonly count: number; readonly untilMs: number } | null;
  /** What it would change to, and since when; null: it is where it wants to be. */
  readonly wanted: { readonly count: number; readonly sinceMs: number } | null;
}

export interface GroupView {
  /** Nodes that live, this one included. */
  readonly nodes: number;
  /** Whether each of them, and each stranger that is heard, hears digests. */
  readonly allHearDigests: boolean;
}

/** As every node begins: heard by all at once. */
export const MESH: GroupPlan = { count: 0, former: null, wanted: null };

export const MAX_GROUPS = 1_024;
/** A cluster goes back to the mesh below this share of `meshNodes`. */
const BACK_SHARE = 0.8;
/** How far the square root of n may be from the number of groups, in powers of two, before it changes; 0.5 is the nearest. */
const SPAN = 0.75;

export function stepGroups(plan: GroupPlan, view: GroupView, nowMs: number, options: GroupOptions): GroupPlan {
  const former = plan.former !== null && nowMs < plan.former.untilMs ? plan.former : null;
  const count = wantedCount(plan.count, view, options);
  if (count === plan.count) return plan.wanted === null && former === plan.former ? plan : { ...plan, former, wanted: null };
  const sinceMs = plan.wanted?.count === count ? plan.wanted.sinceMs : nowMs;
  const isUrgent = !view.allHearDigests; // G2
  if (!isUrgent && nowMs - sinceMs < options.settleMs) return { ...plan, former, wanted: { count, sinceMs } };
  return { count, former: { count: plan.count, untilMs: nowMs + options.overlapMs }, wanted: null }; // G3
}

/** Groups for so many nodes: about the square root of it, so that members of a group and groups are about as many. */
export function wantedCount(count: number, { nodes, allHearDigests }: GroupView, { meshNodes }: GroupOptions): number {
  const most = count === 0 ? meshNodes : BACK_SHARE * meshNodes;
  if (!allHearDigests || nodes <= most) return 0;
  const power = Math.log2(nodes) / 2;
  if (count > 0 && Math.abs(power - Math.log2(count)) <= SPAN) return count; // G4
  return Math.min(MAX_GROUPS, 2 ** Math.max(1, Math.round(power)));
}

/** A node's place among `count` groups, the same for whoever knows its name. */
export function seatOf(nodeHash: number, count: number): Seat {
  return { count, group: nodeHash % count };
}

/** The groups that a node is of, and whether all are to hear it. */
export function placesOf({ count, former }: GroupPlan, node: string): { readonly isMesh: boolean; readonly seats: readonly Seat[] } {
  const counts = former === null ? [count] : [count, former.count];
  const hash = hashName(node);
  return { isMesh: counts.includes(0), seats: counts.filter((each) => each > 0).map((each) => seatOf(hash, each)) };
}

export const isSameSeat = (seat: Seat, other: Seat) => seat.count === other.count && seat.group === other.group;
