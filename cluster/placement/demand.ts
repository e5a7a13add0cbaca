import type { Member } from "../membership/member.ts";

// Invariants:
//   D1. A collection gets one place more when what it has are busy by `raiseAt` for `raiseAfterMs` on end, and loses one when
//       one less would be busy by less than `lowerAt` for `lowerAfterMs`: it neither follows a burst nor goes to and fro.
//   D2. It never has fewer places than its settings say, nor more than there are nodes.

export interface DemandLimits {
  /** Shares of the capacity of a collection's nodes, in 0..1. */
  readonly raiseAt: number;
  readonly lowerAt: number;
  readonly raiseAfterMs: number;
  readonly lowerAfterMs: number;
}

export const DEMAND_LIMITS: DemandLimits = { raiseAt: 0.5, lowerAt: 0.25, raiseAfterMs: 5_000, lowerAfterMs: 60_000 };

/** A collection that is or was busy. */
export interface Demand {
  readonly replicas: number;
  /** Since when it has been too busy, or too little; null: neither. */
  readonly sinceMs: number | null;
  readonly direction: "up" | "down" | null;
}

export interface Load {
  /** Searches at a time, on all nodes. */
  readonly work: number;
  /** Of one node. */
  readonly capacity: number;
  /** Places by the collection's settings, and how many there may be. */
  readonly least: number;
  readonly most: number;
}

/** @param known null: it was not busy. @returns null: nothing is to be remembered of it */
export function nextDemand(
  known: Demand | null,
  { work, capacity, least, most }: Load,
  nowMs: number,
  limits: DemandLimits,
): Demand | null {
  const lowest = Math.min(least, most);
  const replicas = Math.min(most, Math.max(lowest, known?.replicas ?? lowest)); // D2
  const direction = directionOf(work / capacity, replicas, lowest, most, limits);
  if (direction === null) return replicas === lowest ? null : { replicas, sinceMs: null, direction };
  const sinceMs = known !== null && known.direction === direction ? (known.sinceMs ?? nowMs) : nowMs;
  const isDue = nowMs - sinceMs >= (direction === "up" ? limits.raiseAfterMs : limits.lowerAfterMs); // D1
  if (!isDue) return { replicas, sinceMs, direction };
  const next = replicas + (direction === "up" ? 1 : -1);
  return next === lowest ? null : { replicas: next, sinceMs: null, direction: null };
}

function directionOf(busy: number, replicas: number, lowest: number, most: number, limits: DemandLimits): Demand["direction"] {
  if (replicas < most && busy / replicas >= limits.raiseAt) return "up";
  if (replicas > lowest && busy / (replicas - 1) < limits.lowerAt) return "down";
  return null;
}

/** Searches at a time by collection, on all nodes that live. */
export function workOf(members: Iterable<Member>): Map<string, number> {
  const work = new Map<string, number>();
  for (const { beat, state } of members) {
    if (state !== "alive") continue;
    for (const [collection, busy] of beat.busy) work.set(collection, (work.get(collection) ?? 0) + busy);
  }
  return work;
}

/** What the leader makes of how busy collections are. */
export class Demands {
  readonly #limits: DemandLimits;
  readonly #kept = new Map<string, Demand>();

  constructor(limits: DemandLimits) {
    this.#limits = limits;
  }

  /** @returns places of collections that have more than their settings say */
  step(
    work: ReadonlyMap<string, number>,
    { capacity, most, leastOf }: { readonly capacity: number; readonly most: number; readonly leastOf: (collection: string) => number },
    nowMs: number,
  ): ReadonlyMap<string, number> {
    for (const collection of new Set([...work.keys(), ...this.#kept.keys()])) {
      const load: Load = { work: work.get(collection) ?? 0, capacity, least: leastOf(collection), most };
      const demand = nextDemand(this.#kept.get(collection) ?? null, load, nowMs, this.#limits);
      if (demand === null) this.#kept.delete(collection);
      else this.#kept.set(collection, demand);
    }
    const raised = new Map<string, number>();
    for (const [collection, { replicas }] of this.#kept)
      if (replicas > Math.min(most, leastOf(collection))) raised.set(collection, replicas);
    return raised;
  }

  /** Goes on from what another leader has told. */
  take(raised: ReadonlyMap<string, number>): void {
    for (const [collection, replicas] of raised) this.#kept.set(collection, { replicas, sinceMs: null, direction: null });
  }
}
