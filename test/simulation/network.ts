import type { Control } from "../../cluster/lease/control.ts";
import type { LeaseEntry, LeaseOutcome, LeaseRecord } from "../../cluster/lease/lease.ts";
import { type Digest, encodeDigest, parseDigest } from "../../cluster/membership/digest.ts";
import { isSameSeat, type Seat } from "../../cluster/membership/groups.ts";
import type { Heartbeat, ReadyTold } from "../../cluster/membership/heartbeat.ts";
import type { ClusterNetwork } from "../../cluster/ports.ts";
import type { Sent } from "../../cluster/router/router.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Answer, Query } from "./sim_node.ts";
import type { Process, World } from "./world.ts";

export interface Receiver {
  /** Its name, or of a second process with that name something else: nothing is sent there, it hears what all hear. */
  readonly address: string;
  readonly process: Process;
  hearHeartbeat(beat: Heartbeat, seat: Seat | null): void;
  hearDigest(digest: Digest): void;
  /** Which collections are ready there; null: it does not answer such questions. */
  readySet(): ReadyTold | null;
  hearControl(control: Control): void;
  /** A query from another node. */
  serve(query: Query, timeoutMs: number, settle: (sent: Sent<Answer>) => void): void;
}

export interface NetworkOptions {
  readonly meanDelayMs: number;
  /** In 0..1, of messages of any kind. */
  readonly lossRatio: number;
}

/** What an endpoint has to know of who is behind it. */
export interface Speaker {
  sizeOf(beat: Heartbeat): number;
  /** What others read of its digests. */
  rewriteDigest(text: string): string;
}

const MAX_PAYLOAD = 1_048_576;

/** NATS as far as nodes notice it: messages that are late, lost and out of order, groups that do not hear each other, one key with revisions. */
export class Network {
  readonly #world: World;
  readonly #options: NetworkOptions;
  readonly #receivers = new Map<string, Receiver>();
  /** Nodes that are cut off from the others, by their group; the store of leases is with group 0. */
  readonly #groups = new Map<string, number>();
  readonly lease: { entry: LeaseEntry | null; revision: number; isAway: boolean } = { entry: null, revision: 0, isAway: false };
  readonly #heardGroups = new Map<string, readonly Seat[]>();
  messages = { heartbeats: 0, heartbeatBytes: 0, digests: 0, digestBytes: 0, requests: 0, leaseCalls: 0 };
  /** What has reached each node of heartbeats and digests. */
  readonly #reached = new Map<string, { messages: number; bytes: number }>();
  /** Extra delay of every message, as in a congested network. */
  slownessMs = 0;

  constructor(world: World, options: NetworkOptions) {
    this.#world = world;
    this.#options = options;
  }

  join(receiver: Receiver): void {
    this.#receivers.set(receiver.address, receiver);
  }

  partition(nodes: readonly string[], group: number): void {
    for (const node of nodes) this.#groups.set(node, group);
  }

  heal(): void {
    this.#groups.clear();
  }

  /** What has reached the node of heartbeats and digests. */
  reached(address: string): { readonly messages: number; readonly bytes: number } {
    return { messages: 0, bytes: 0, ...this.#reached.get(address) };
  }

  groupOf(node: string): number {
    return this.#groups.get(node) ?? 0;
  }

  /** What the node at `name` is given, living as `process`. */
  endpoint(name: string, process: Process, speaker: Speaker): ClusterNetwork<Query, Answer> {
    const network = this;
    return {
      get isConnected() {
        return network.groupOf(name) < 2; // groups from 2 on are single nodes without any server
      },
      publishHeartbeat: (beat) => this.#publishBeat(name, speaker.sizeOf(beat), beat, null),
      publishToGroup: (seat, beat) => this.#publishBeat(name, speaker.sizeOf(beat), beat, seat),
      publishDigest: (digest) => {
        for (const text of encodeDigest(digest, MAX_PAYLOAD).map(speaker.rewriteDigest)) this.#publishDigest(name, text);
      },
      hearGroups: (seats) => void this.#heardGroups.set(name, seats),
      askReady: (node, timeoutMs, settle) => this.#askReady(name, process, node, timeoutMs, settle),
      publishControl: (control) => this.#publish(name, (receiver) => receiver.hearControl(control)),
      send: (node, query, timeoutMs, settle) => this.#send(name, process, node, query, timeoutMs, settle),
      readLease: (settle) => this.#leaseCall(name, process, settle, () => ({ kind: "found", entry: this.lease.entry })),
      writeLease: (record, expected, settle) => this.#leaseCall(name, process, settle, () => this.#write(record, expected)),
    };
  }

  #publishBeat(from: string, bytes: number, beat: Heartbeat, seat: Seat | null): void {
    this.messages.heartbeats += 1;
    this.messages.heartbeatBytes += bytes;
    const isHeard = (address: string) => seat === null || this.#heardGroups.get(address)?.some((each) => isSameSeat(each, seat)) === true;
    this.#publish(from, (receiver) => receiver.hearHeartbeat(beat, seat), isHeard, bytes);
  }

  #publishDigest(from: string, text: string): void {
    this.messages.digests += 1;
    this.messages.digestBytes += text.length;
    const digest = parseDigest(text);
    if (digest === null) throw new Error(`A node sent a digest that cannot be read: ${text.slice(0, 200)}`);
    this.#publish(from, (receiver) => receiver.hearDigest(digest), ALL, text.length);
  }

  #publish(from: string, deliver: (receiver: Receiver) => void, isHeard: (address: string) => boolean = ALL, bytes = 0): void {
    for (const receiver of this.#receivers.values()) {
      const { address } = receiver;
      if (address === from || !isHeard(address) || this.#isLost(from, address)) continue;
      if (bytes > 0) this.#count(address, bytes);
      receiver.process.at(this.#delayMs(), () => deliver(receiver));
    }
  }

  #count(address: string, bytes: number): void {
    const reached = this.#reached.get(address) ?? { messages: 0, bytes: 0 };
    reached.messages += 1;
    reached.bytes += bytes;
    this.#reached.set(address, reached);
  }

  #askReady(from: string, process: Process, to: string, timeoutMs: number, settle: (told: ReadyTold | null) => void): void {
    let isOpen = true;
    const reply = (told: ReadyTold | null) => {
      if (isOpen) settle(told);
      isOpen = false;
    };
    process.at(timeoutMs, () => reply(null));
    const receiver = this.#receivers.get(to);
    if (receiver === undefined || receiver.process.isDead || this.#isLost(from, to)) return;
    receiver.process.at(this.#delayMs(), () => {
      const told = receiver.readySet();
      if (told !== null && !this.#isLost(to, from)) process.at(this.#delayMs(), () => reply(told));
    });
  }

  #send(from: string, process: Process, to: string, query: Query, timeoutMs: number, settle: (sent: Sent<Answer>) => void): () => void {
    this.messages.requests += 1;
    let isOpen = true;
    const reply = (sent: Sent<Answer>) => {
      if (this.#isLost(to, from)) return;
      process.at(this.#delayMs(), () => {
        if (isOpen) settle(sent);
      });
    };
    const receiver = this.#receivers.get(to);
    if (this.groupOf(from) >= 2 || receiver === undefined) process.at(0, () => isOpen && settle(GONE));
    else if (!this.#isLost(from, to)) {
      if (receiver.process.isDead)
        reply(GONE); // the server knows that nobody listens
      else receiver.process.at(this.#delayMs(), () => receiver.serve({ ...query, hops: query.hops + 1 }, timeoutMs, reply));
    }
    return () => {
      isOpen = false;
    };
  }

  #leaseCall(from: string, process: Process, settle: (outcome: LeaseOutcome) => void, call: () => LeaseOutcome): void {
    this.messages.leaseCalls += 1;
    const isCutOff = this.groupOf(from) !== 0;
    if (isCutOff) process.at(2_000, () => settle({ kind: "failed" }));
    else
      this.#world.at(this.#delayMs(), () => {
        if (this.lease.isAway) {
          process.at(1_000, () => settle({ kind: "failed" }));
          return;
        }
        const outcome = call();
        // Now and then what was done is not known to who has asked for it.
        const isUnknown = this.#world.random.next() < 0.02;
        process.at(this.#delayMs(), () => settle(isUnknown ? { kind: "failed" } : outcome));
      });
  }

  #write(record: LeaseRecord, expected: number): LeaseOutcome {
    const { lease } = this;
    if ((lease.entry?.revision ?? 0) !== expected) return { kind: "lost" };
    lease.revision += 1;
    lease.entry = { record, revision: lease.revision };
    return { kind: "written", revision: lease.revision };
  }

  #isLost(from: string, to: string): boolean {
    return this.groupOf(from) !== this.groupOf(to) || this.#world.random.next() < this.#options.lossRatio;
  }

  #delayMs(): number {
    return 0.1 + this.#world.exponential(this.#options.meanDelayMs) + this.slownessMs;
  }
}

const ALL = () => true;
const GONE: Sent<Answer> = { kind: "error", error: { kind: "gone", cause: kennelError("unavailable") } };
