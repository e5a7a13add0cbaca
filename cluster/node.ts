import type { Timer } from "../runtime/clock.ts";
import { announceDrain, type DrainState, stepDrain } from "./drain/drain.ts";
import { type Control, NO_CONTROL, newerControl } from "./lease/control.ts";
import { Leadership } from "./lease/leadership.ts";
import type { Digest } from "./membership/digest.ts";
import { earliestOf, mayAnswer, Strangers } from "./membership/foreign.ts";
import { Grouping } from "./membership/grouping.ts";
import type { Seat } from "./membership/groups.ts";
import { type Heartbeat, type Incarnation, type ReadyTold, WIRE_VERSION } from "./membership/heartbeat.ts";
import { isRoutable, type Member } from "./membership/member.ts";
import { Membership, type MembershipEvent } from "./membership/membership.ts";
import { OwnName } from "./membership/own_name.ts";
import type { ClusterOptions } from "./options.ts";
import { Placement } from "./placement/placement.ts";
import { hashName, nearest } from "./placement/rendezvous.ts";
import { Succession } from "./placement/succession.ts";
import type { ClusterPorts } from "./ports.ts";
import { type Candidate, candidatesFor } from "./router/candidates.ts";
import { Router, type Sent } from "./router/router.ts";
import { WallJumps } from "./wall_jumps.ts";

// Invariants:
//   C1. A query is served where it is asked or on one other node: what comes from another node is served and not sent on.
//   C2. A node that was not there for as long as it takes to be declared dead comes back as a new incarnation.
//   C3. Of two nodes with one name the one that began later keeps to itself: it sends no heartbeats and serves alone.
//   C4. A node with other stores is no member: what one of the two holds the other cannot answer. Of the two those who were
//       there first answer clients (see membership/foreign.ts).

export interface NodeIdentity {
  readonly name: string;
  readonly weight: number;
  readonly stores: string;
  /** False: nobody else can have its stores, so that there is nobody to lead. */
  readonly isShared: boolean;
}

const LEADER_KEY = hashName("leader");

/**
 * One node's part in the cluster: it says that it lives, hears of others, sends queries where they are answered best, warms
 * what is to be its own and leads when it holds the lease. Everything that happens comes in by a call or a timer, so that
 * the simulation runs the same.
 */
export class ClusterNode<Request, Answer> {
  readonly membership: Membership;
  readonly placement: Placement;
  readonly router: Router<Request, Answer>;
  readonly #identity: NodeIdentity;
  readonly #ports: ClusterPorts<Request, Answer>;
  readonly #options: ClusterOptions;
  readonly #succession: Succession;
  readonly #strangers: Strangers;
  readonly #grouping: Grouping;
  readonly #wallJumps: WallJumps;
  readonly #ownName: OwnName;
  #isAnswering = true;
  #forwarded = 0;
  #incarnation: Incarnation;
  #sequence = 0;
  #ready: { version: number; names: ReadonlySet<string> } = { version: 0, names: new Set() };
  readonly #leadership: Leadership;
  #control = NO_CONTROL;
  #drain: DrainState = { kind: "serving" };
  readonly #onLeft: (() => void)[] = [];
  #beatMs: number;
  #sweptMs: number;
  #timer: Timer | null = null;

  constructor(identity: NodeIdentity, ports: ClusterPorts<Request, Answer>, options: ClusterOptions) {
    const { clock, local } = ports;
    const nowMs = clock.monotonicMs();
    this.#identity = identity;
    this.#ports = ports;
    this.#options = options;
    this.#ownName = new OwnName(options.membership.deadAfterMs, options.membership.heartbeatMs, nowMs);
    this.#incarnation = this.#begin();
    this.#strangers = new Strangers(options.membership.deadAfterMs);
    this.#wallJumps = new WallJumps(clock);
    this.#leadership = new Leadership({
      self: identity.name,
      clock,
      network: ports.network,
      limits: options.lease,
      listenMs: options.membership.suspectAfterMs,
      incarnation: () => this.#incarnation.id,
      mayLead: () => this.#mayLead(),
      onEvent: ports.onEvent,
    });
    this.#beatMs = nowMs - options.membership.heartbeatMs;
    this.#sweptMs = nowMs;
    this.membership = new Membership(options.membership, nowMs, (event) => this.#happened(event));
    this.#grouping = new Grouping({
      self: identity.name,
      stores: identity.stores,
      network: ports.network,
      membership: this.membership,
      limits: options.membership,
      options: options.groups,
      random: ports.random,
      onReady: (node) => this.#succession.consider(this.membership.find(node)?.ready ?? []),
    });
    this.placement = new Placement(this.membership, (collection) => this.replicasOf(collection));
    this.#succession = new Succession(identity.name, this.membership, this.placement, options.succession, nowMs);
    this.router = new Router(
      {
        clock,
        random: ports.random,
        candidates: (collection) => this.candidates(collection),
        mayHedge: () => local.mayHedge(),
        send: (node, request, timeoutMs, settle) => {
          if (node === identity.name) return local.serve(request, timeoutMs, settle);
          this.#forwarded += 1;
          return ports.network.send(node, request, timeoutMs, settle);
        },
      },
      options.router,
    );
  }

  get name(): string {
    return this.#identity.name;
  }

  get incarnation(): Incarnation {
    return this.#incarnation;
  }

  get control(): Control {
    return this.#control;
  }

  get isDraining(): boolean {
    return this.#drain.kind !== "serving";
  }

  /** Whether it keeps to itself because another node has its name (C3). */
  get isExcluded(): boolean {
    return this.#ownName.isTaken;
  }

  /** How often another node was asked. */
  get forwarded(): number {
    return this.#forwarded;
  }

  /** Groups that heartbeats belong to, 0 where all hear all, and whether this node speaks for its own. */
  get groups(): { readonly count: number; readonly isSpeaking: boolean } {
    return { count: this.#grouping.count, isSpeaking: this.#grouping.isSpeaking(this.#ports.clock.monotonicMs()) };
  }

  /** What it answers when it is asked which collections are ready here. */
  get readySet(): ReadyTold {
    return { incarnation: this.#incarnation.id, version: this.#ready.version, names: this.#ready.names };
  }

  /** Collections that are being moved here. */
  get pendingMoves(): number {
    return this.#succession.pending;
  }

  /** Whether it is to take questions of clients: nodes with other stores were not there first. */
  get isAnswering(): boolean {
    return this.#isAnswering;
  }

  /** The epoch in which it leads; null: it does not. */
  get leadsIn(): number | null {
    return this.#leadership.leadsIn;
  }

  /** Places that the collection is to have now. */
  replicasOf(collection: string): number {
    return Math.max(this.#ports.local.replicasOf(collection), this.#control.replicas.get(collection) ?? 1);
  }

  /** Joins at once. */
  start(): void {
    this.#sweep();
  }

  /** Ends without a word, as a process that is killed does. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Answers from this node or another. Calls `settle` exactly once, at the deadline at the latest. @returns cancels */
  query(collection: string, request: Request, timeoutMs: number, settle: (sent: Sent<Answer>) => void): () => void {
    return this.router.query(collection, request, timeoutMs, settle);
  }

  /** @param seat the group that it came in; null: it was to all */
  hearHeartbeat(beat: Heartbeat, seat: Seat | null = null): void {
    const nowMs = this.#ports.clock.monotonicMs();
    if (this.#hear(beat, nowMs, null) && seat !== null) this.#grouping.hear(seat, beat, nowMs);
  }

  hearDigest(digest: Digest): void {
    const nowMs = this.#ports.clock.monotonicMs();
    for (const { beat, ageMs } of digest.beats) this.#hear(beat, nowMs, ageMs);
    if (digest.stores === this.#identity.stores && digest.node !== this.name)
      this.#grouping.hearDigest(digest, this.#incarnation.id, nowMs);
  }

  /**
   * @param ageMs how old it is, as a digest says; null: the node itself was heard
   * @returns whether it is another node's of the same cluster
   */
  #hear(beat: Heartbeat, nowMs: number, ageMs: number | null): boolean {
    if (beat.node === this.name) {
      if (this.#ownName.hear(beat, this.#incarnation, nowMs, ageMs)) this.#ports.onEvent({ kind: "name_taken", node: this.name });
      return false;
    }
    if (beat.stores !== this.#identity.stores) {
      if (this.#strangers.hear(beat, nowMs, ageMs ?? 0)) this.#ports.onEvent({ kind: "foreign", node: beat.node }); // C4
      return false;
    }
    this.#leadership.hear(beat.epoch);
    const before = this.membership.find(beat.node);
    this.membership.observe(beat, nowMs, ageMs);
    const after = this.membership.find(beat.node);
    const isNew = after?.beat === beat && before?.beat.incarnation.id !== beat.incarnation.id;
    if (isNew && beat.wire !== WIRE_VERSION) this.#ports.onEvent({ kind: "other_wire", node: beat.node, wire: beat.wire });
    if (after?.ready && after.ready !== before?.ready) this.#succession.consider(newNames(after.ready, before?.ready ?? null));
    return true;
  }

  hearControl(control: Control): void {
    const newer = newerControl(this.#control, control);
    if (newer === this.#control) return;
    this.#control = newer;
    this.placement.setExceptions(newer.exceptions);
    this.#succession.consider(newer.exceptions.keys());
    this.#succession.consider(newer.replicas.keys());
    this.#leadership.hear(newer.epoch);
  }

  /** As the leader, tells all what is to hold from now on. False: it does not lead, nothing was told. */
  tell(content: Pick<Control, "exceptions" | "replicas" | "mode">): boolean {
    const epoch = this.leadsIn;
    if (epoch === null) return false;
    const sequence = this.#control.epoch === epoch ? this.#control.sequence + 1 : 1;
    const control: Control = { epoch, sequence, ...content };
    this.hearControl(control);
    if (this.#control === control) this.#ports.network.publishControl(control);
    return this.#control === control;
  }

  /** Tells peers, waits for successors and for work in flight, says goodbye and stops; within the drain's limit. Then calls `left`. */
  drain(left: () => void): void {
    if (this.#drain.kind === "left") {
      left();
      return;
    }
    this.#onLeft.push(left);
    if (this.#drain.kind === "announced") return;
    this.#drain = announceDrain(this.#drain, this.#ports.clock.monotonicMs());
    this.#beat();
  }

  candidates(collection: string): readonly Candidate[] {
    const sources = { self: this.name, membership: this.membership, outstanding: (node: string) => this.router.outstanding(node) };
    if (this.isExcluded) return [{ node: this.name, tier: 0, load: 0, isSelf: true }];
    const owners = this.placement.ownersOf(collection);
    const isServed = owners.some((owner) => this.#isRoutable(owner));
    return candidatesFor(collection, { ...sources, owners: isServed ? owners : this.#successors(collection) });
  }

  /** Whom all nodes turn to while those that hold a collection are suspected: the same, so that few have to open it. */
  #successors(collection: string): readonly string[] {
    const routable = this.membership.placeable().filter(({ name }) => this.#isRoutable(name));
    return nearest(hashName(collection), routable, 1).map(({ name }) => name);
  }

  #isRoutable(node: string): boolean {
    const member = this.membership.find(node);
    return member !== null && isRoutable(member);
  }

  #sweep(): void {
    const { clock } = this.#ports;
    const { sweepMs, membership } = this.#options;
    const nowMs = clock.monotonicMs();
    const byMs = this.#wallJumps.look();
    if (byMs !== null) this.#ports.onEvent({ kind: "clock_jumped", node: this.name, byMs });
    if (nowMs - this.#sweptMs >= membership.deadAfterMs) this.#reincarnate(nowMs - this.#sweptMs); // C2
    this.#sweptMs = nowMs;
    if (this.#ownName.sweep(nowMs)) this.#ports.onEvent({ kind: "name_free", node: this.name });
    this.#giveWay(nowMs);
    if (nowMs - this.#beatMs >= membership.heartbeatMs) this.#beat();
    this.membership.sweep(nowMs);
    this.#grouping.step(this.#strangers.allHearDigests, this.isExcluded, nowMs);
    this.#leadership.step({ kind: "tick" });
    this.#move(nowMs);
    this.#stepDrain(nowMs);
    if (this.#drain.kind !== "left") this.#timer = clock.setTimer(sweepMs, () => this.#sweep());
  }

  /** C4 */
  #giveWay(nowMs: number): void {
    const peers: Incarnation[] = [];
    for (const { beat, state } of this.membership.all())
      if (state === "alive" && beat.node !== this.name && beat.answersClients) peers.push(beat.incarnation);
    const strangers = this.#strangers.earliest(nowMs);
    const isAnswering = mayAnswer(this.#isAnswering, this.#incarnation, earliestOf(peers), strangers);
    if (isAnswering === this.#isAnswering) return;
    this.#isAnswering = isAnswering;
    this.#ports.onEvent({ kind: isAnswering ? "answers" : "yields", node: this.name });
  }

  #reincarnate(forMs: number): void {
    this.#ports.onEvent({ kind: "stood_still", node: this.name, forMs });
    const nowMs = this.#ports.clock.monotonicMs();
    this.#ownName.beginAnew(this.#incarnation, nowMs);
    this.#incarnation = this.#begin();
    this.membership.forget(this.name);
    this.#grouping.beginAnew(nowMs);
    this.#leadership.beginAnew();
  }

  #begin(): Incarnation {
    this.#sequence = 0;
    const id = Math.floor(this.#ports.random.next() * 2 ** 52).toString(36);
    return { startedMs: this.#ports.clock.wallMs(), id };
  }

  #beat(): void {
    const { clock, local } = this.#ports;
    const nowMs = clock.monotonicMs();
    this.#beatMs = nowMs;
    const names = local.ready();
    const isNew = names !== this.#ready.names;
    if (isNew) this.#ready = { version: this.#ready.version + 1, names };
    this.#sequence += 1;
    const isFull = isNew || this.#sequence % this.#options.fullEvery <= 1;
    const beat: Heartbeat = {
      wire: WIRE_VERSION,
      node: this.name,
      incarnation: this.#incarnation,
      sequence: this.#sequence,
      isDraining: this.isDraining,
      isLeaving: this.#drain.kind === "left",
      ...local.load(),
      weight: this.#identity.weight,
      ready: { version: this.#ready.version, names: isFull ? names : null },
      stores: this.#identity.stores,
      answersClients: this.#isAnswering && !this.isDraining,
      epoch: this.#leadership.epoch,
      isLeader: this.leadsIn !== null,
    };
    this.membership.observe({ ...beat, ready: this.#ready }, nowMs);
    if (!this.isExcluded) this.#grouping.publish(beat, nowMs); // C3
  }

  #happened(event: MembershipEvent): void {
    if (event.node === this.name) return;
    const member = this.membership.find(event.node);
    switch (event.kind) {
      case "suspected":
        this.router.suspect(event.node);
        if (!this.isExcluded) this.#grouping.suspected(event.node, this.#ports.clock.monotonicMs());
        break;
      case "died":
      case "left":
      case "draining":
        if (event.kind !== "draining") this.router.suspect(event.node);
        this.#inherit(member);
        break;
      default:
        break;
    }
    this.#ports.onEvent(event);
  }

  #inherit(member: Member | null): void {
    if (member?.ready) this.#succession.inherit(member.ready);
  }

  #move(nowMs: number): void {
    if (this.isDraining || this.isExcluded) return;
    const { local } = this.#ports;
    const { warm, release } = this.#succession.sweep(local.ready(), nowMs);
    for (const name of warm) local.warm(name, () => this.#succession.warmed(name));
    for (const name of release) local.release(name);
  }

  /** A handful would lead, the same for all who see the same nodes: a thousand need not ask for the lease every few seconds. */
  #mayLead(): boolean {
    if (!this.#identity.isShared || this.isExcluded || this.isDraining || !this.#ports.network.isConnected) return false;
    const nodes = this.membership.placeable();
    if (nodes.length <= this.#options.maxDeputies) return true;
    return nearest(LEADER_KEY, nodes, this.#options.maxDeputies).some(({ name }) => name === this.name);
  }

  #stepDrain(nowMs: number): void {
    if (this.#drain.kind !== "announced") return;
    const { local } = this.#ports;
    const { inFlight, queue } = local.load();
    const others = [...this.membership.all()].filter((member) => member.beat.node !== this.name && isRoutable(member));
    let unsucceeded = 0;
    for (const name of local.ready()) if (!others.some((member) => member.ready?.has(name))) unsucceeded += 1;
    const view = { nowMs, inFlight: inFlight + queue + this.router.open, unsucceeded, hasPeers: others.length > 0 };
    this.#drain = stepDrain(this.#drain, view, this.#options.drain);
    if (this.#drain.kind !== "left") return;
    this.#leadership.step({ kind: "release" });
    this.#beat();
    this.#timer?.cancel();
    for (const left of this.#onLeft.splice(0)) left();
  }
}

function newNames(names: ReadonlySet<string>, known: ReadonlySet<string> | null): Iterable<string> {
  return known === null ? names : [...names].filter((name) => !known.has(name));
}
