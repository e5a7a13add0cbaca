import { isRoutable, type Member } from "../membership/member.ts";
import type { Membership } from "../membership/membership.ts";

/** A node that may answer a query. */
export interface Candidate {
  readonly node: string;
  /**
   * Lower is asked first. 0: is to hold the collection and does. 1: still holds it. 2: is to hold it and has to open it.
   * 3: this node, which does neither or drains: it can open the collection all the same, since nodes share their stores.
   */
  readonly tier: 0 | 1 | 2 | 3;
  /** Work it has for each place that it has: below 1 nothing waits. */
  readonly load: number;
  readonly isSelf: boolean;
}

export interface CandidateSources {
  readonly self: string;
  readonly membership: Membership;
  readonly owners: readonly string[];
  /** Requests that this node has sent there and not heard of: newer than what the last heartbeat tells. */
  readonly outstanding: (node: string) => number;
}

/** Who may answer for the collection, this node always among them. Others that are suspected, dead or draining are not. */
export function candidatesFor(collection: string, { self, membership, owners, outstanding }: CandidateSources): Candidate[] {
  const candidates: Candidate[] = [];
  for (const member of membership.all()) {
    const { node } = member.beat;
    const isSelf = node === self;
    if (!isSelf && !isRoutable(member)) continue;
    const tier = member.beat.isDraining ? 3 : tierOf(collection, member, owners.includes(node));
    if (tier === 3 && !isSelf) continue;
    candidates.push({ node, tier, load: loadOf(member, outstanding(node)), isSelf });
  }
  return candidates;
}

function tierOf(collection: string, member: Member, isOwner: boolean): Candidate["tier"] {
  const isReady = member.ready?.has(collection) ?? false;
  if (isReady) return isOwner ? 0 : 1;
  return isOwner ? 2 : 3;
}

function loadOf({ beat }: Member, outstanding: number): number {
  return (Math.max(beat.inFlight, outstanding) + beat.queue) / beat.capacity;
}
