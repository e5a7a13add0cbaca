import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import type { Control } from "./lease/control.ts";
import type { LeaseOutcome, LeaseRecord } from "./lease/lease.ts";
import type { Digest } from "./membership/digest.ts";
import type { Seat } from "./membership/groups.ts";
import type { Heartbeat, ReadyTold } from "./membership/heartbeat.ts";
import type { MembershipEvent } from "./membership/membership.ts";
import type { Sent } from "./router/router.ts";

/** What connects the nodes. All of it may fail, be late or say nothing; nothing of it throws. */
export interface ClusterNetwork<Request, Answer> {
  readonly isConnected: boolean;
  /** To all nodes. */
  publishHeartbeat(beat: Heartbeat): void;
  /** To those that hear the group. */
  publishToGroup(seat: Seat, beat: Heartbeat): void;
  /** To all nodes. */
  publishDigest(digest: Digest): void;
  /** Which groups this node hears from now on, besides what all hear; it hears them before what it publishes next is heard there. */
  hearGroups(seats: readonly Seat[]): void;
  /** Asks a node which collections are ready there. Calls `settle` once; null: there was no answer. */
  askReady(node: string, timeoutMs: number, settle: (told: ReadyTold | null) => void): void;
  /** To all nodes. */
  publishControl(control: Control): void;
  /** Asks another node, which serves it itself. Calls `settle` at most once. @returns cancels */
  send(node: string, request: Request, timeoutMs: number, settle: (sent: Sent<Answer>) => void): () => void;
  readLease(settle: (outcome: LeaseOutcome) => void): void;
  /** Compare-and-set: `expected` is the revision that is replaced, 0 where there must be none. */
  writeLease(record: LeaseRecord, expected: number, settle: (outcome: LeaseOutcome) => void): void;
}

export interface LocalLoad {
  readonly lagMs: number;
  readonly inFlight: number;
  readonly queue: number;
  readonly capacity: number;
  /** Where its HTTP bridge can be reached; empty: it does not listen yet. */
  readonly url: string;
  /** Searches at a time of the busiest collections, at most `MAX_BUSY`. */
  readonly busy: ReadonlyMap<string, number>;
  /** What it can do of a search in its stores; empty: not known. */
  readonly mode: string;
}

/** What the cluster asks of the node that it is on. */
export interface LocalNode<Request, Answer> {
  load(): LocalLoad;
  /** Collections that answer without waiting. A new set whenever it has changed. */
  ready(): ReadonlySet<string>;
  /** Places that a collection is to have by its settings, at least 1. */
  replicasOf(collection: string): number;
  /** Whether a slow query may be asked of another node, too. */
  mayHedge(): boolean;
  serve(request: Request, timeoutMs: number, settle: (sent: Sent<Answer>) => void): () => void;
  warm(collection: string, ended: () => void): void;
  release(collection: string): void;
}

export type ClusterEvent =
  | MembershipEvent
  /** Another node has this one's name, and was there first: this one keeps to itself until it is gone. */
  | { readonly kind: "name_taken"; readonly node: string }
  | { readonly kind: "name_free"; readonly node: string }
  /** A node whose stores are not this one's cannot share its work; told once for each of its incarnations. */
  | { readonly kind: "foreign"; readonly node: string }
  /** Nodes with other stores answer clients and were there first: this one does not; or they have gone. */
  | { readonly kind: "yields" | "answers"; readonly node: string }
  | { readonly kind: "leads" | "follows"; readonly node: string; readonly epoch: number }
  /** A node speaks another version of the wire; both go by what they know of it. Told once for each of its incarnations. */
  | { readonly kind: "other_wire"; readonly node: string; readonly wire: number }
  /** This node's wall clock was set; nothing is measured with it. */
  | { readonly kind: "clock_jumped"; readonly node: string; readonly byMs: number }
  /** This node stood still for so long that others take it for dead: it comes back as a new incarnation. */
  | { readonly kind: "stood_still"; readonly node: string; readonly forMs: number };

export interface ClusterPorts<Request, Answer> {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: ClusterNetwork<Request, Answer>;
  readonly local: LocalNode<Request, Answer>;
  readonly onEvent: (event: ClusterEvent) => void;
}
