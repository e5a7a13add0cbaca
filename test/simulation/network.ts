import type { Control } from "../../cluster/lease/control.ts";
import type { LeaseEntry, LeaseOutcome, LeaseRecord } from "../../cluster/lease/lease.ts";
import type { Heartbeat } from "../../cluster/membership/heartbeat.ts";
import type { ClusterNetwork } from "../../cluster/ports.ts";
import type { Sent } from "../../cluster/router/router.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Answer, Query } from "./sim_node.ts";
import type { Process, World } from "./world.ts";

export interface Receiver {
  /** Its name, or of a second process with that name something else: nothing is sent there, it hears what all hear. */
  readonly address: string;
  readonly process: Process;
  hearHeartbeat(beat: Heartbeat): void;
  hearControl(control: Control): void;
  /** A query from another node. */
  serve(query: Query, timeoutMs: number, settle: (sent: Sent<Answer>) => void): void;
}

export interface NetworkOptions {
  readonly meanDelayMs: number;
  /** In 0..1, of messages of any kind. */
  readonly lossRatio: number;
}

/** NATS as far as nodes notice it: messages that are late, lost and out of order, groups that do not hear each other, one key with revisions. */
export class Network {
  readonly #world: World;
  readonly #options: NetworkOptions;
  readonly #receivers = new Map<string, Receiver>();
  /** Nodes that are cut off from the others, by their group; the store of leases is with group 0. */
  readonly #groups = new Map<string, number>();
  readonly lease: { entry: LeaseEntry | null; revision: number; isAway: boolean } = { entry: null, revision: 0, isAway: false };
  messages = { heartbeats: 0, heartbeatBytes: 0, requests: 0, leaseCalls: 0 };
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

  groupOf(node: string): number {
    return this.#groups.get(node) ?? 0;
  }

  /** What the node at `name` is given, living as `process`. */
  endpoint(name: string, process: Process, sizeOf: (beat: Heartbeat) => number): ClusterNetwork<Query, Answer> {
    const network = this;
    return {
      get isConnected() {
        return network.groupOf(name) < 2; // groups from 2 on are single nodes without any server
      },
      publishHeartbeat: (beat) => {
        this.messages.heartbeats += 1;
        this.messages.heartbeatBytes += sizeOf(beat);
        this.#publish(name, (receiver) => receiver.hearHeartbeat(beat));
      },
      publishControl: (control) => this.#publish(name, (receiver) => receiver.hearControl(control)),
      send: (node, query, timeoutMs, settle) => this.#send(name, process, node, query, timeoutMs, settle),
      readLease: (settle) => this.#leaseCall(name, process, settle, () => ({ kind: "found", entry: this.lease.entry })),
      writeLease: (record, expected, settle) => this.#leaseCall(name, process, settle, () => this.#write(record, expected)),
    };
  }

  #publish(from: string, deliver: (receiver: Receiver) => void): void {
    for (const receiver of this.#receivers.values()) {
      if (receiver.address === from || this.#isLost(from, receiver.address)) continue;
      receiver.process.at(this.#delayMs(), () => deliver(receiver));
    }
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

const GONE: Sent<Answer> = { kind: "error", error: { kind: "gone", cause: kennelError("unavailable") } };
