import type { Digest } from "../../cluster/membership/digest.ts";
import type { Seat } from "../../cluster/membership/groups.ts";
import { encodeHeartbeat, type Heartbeat, MAX_BUSY, parseHeartbeat, type ReadyTold } from "../../cluster/membership/heartbeat.ts";
import { ClusterNode } from "../../cluster/node.ts";
import type { ClusterOptions } from "../../cluster/options.ts";
import { Busyness } from "../../cluster/placement/busyness.ts";
import type { ClusterEvent } from "../../cluster/ports.ts";
import type { Sent } from "../../cluster/router/router.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Network, Receiver } from "./network.ts";
import { Process, type World } from "./world.ts";

export interface Query {
  readonly id: number;
  readonly collection: string;
  readonly hops: number;
}

export interface Answer {
  readonly id: number;
  readonly node: string;
}

export interface WorkOptions {
  readonly capacity: number;
  readonly maxQueue: number;
  readonly meanServiceMs: number;
  /** To open a collection that is not ready. */
  readonly activationMs: readonly [number, number];
  readonly replicas: number;
}

export interface SimNodeParts {
  readonly name: string;
  readonly address: string;
  readonly world: World;
  readonly network: Network;
  readonly work: WorkOptions;
  readonly options: ClusterOptions;
  readonly onEvent: (event: ClusterEvent, node: string) => void;
  /** Told of each query that the node works on. */
  readonly onServed: (query: Query) => void;
  readonly wire: Wire;
}

/** The version of the wire that a node speaks: what others read of what it says, and whether it knows of digests. */
export interface Wire {
  rewriteBeat(beat: Heartbeat): Heartbeat;
  rewriteDigest(text: string): string;
  readonly hearsDigests: boolean;
}

const same = <Value>(value: Value) => value;
const rewritten = (change: (wire: Record<string, unknown>) => object) => (beat: Heartbeat) =>
  parseHeartbeat(JSON.stringify(change(JSON.parse(encodeHeartbeat(beat))))) as Heartbeat;

export const PRESENT_WIRE: Wire = { rewriteBeat: same, rewriteDigest: same, hearsDigests: true };

/** As a version that knows neither of loads nor of what is ready nor of digests. */
export const OLDER_WIRE: Wire = {
  rewriteBeat: rewritten(({ node, incarnation, sequence, draining, leaving, lag_ms, stores, epoch }) => {
    return { v: 1, node, incarnation, sequence, draining, leaving, lag_ms, stores, epoch };
  }),
  rewriteDigest: same,
  hearsDigests: false,
};

/** As a later version. */
export const LATER_WIRE: Wire = {
  rewriteBeat: rewritten((wire) => ({ ...wire, v: 3, zone: "eu-1", hot: [{ collection: "c0", rate: 3 }] })),
  rewriteDigest(text) {
    const { beats, ...digest } = JSON.parse(text);
    return JSON.stringify({ ...digest, v: 3, zone: "eu-1", beats: beats.map((beat: object) => ({ ...beat, hot: [] })) });
  },
  hearsDigests: true,
};

/** A node's process: the cluster's own code, and in the place of retrievers something that takes as long as they do. */
export class SimNode implements Receiver {
  readonly name: string;
  readonly address: string;
  readonly process: Process;
  readonly cluster: ClusterNode<Query, Answer>;
  readonly #parts: SimNodeParts;
  readonly #waiting: (() => void)[] = [];
  readonly #activating = new Map<string, (() => void)[]>();
  #ready: ReadonlySet<string> = new Set();
  readonly #busyness = new Busyness(0);
  #inFlight = 0;
  /** How much longer everything takes, and how late its event loop is. */
  slownessMs = 0;
  isLeft = false;

  constructor(parts: SimNodeParts) {
    const { name, address, world, network, work, wire } = parts;
    this.name = name;
    this.address = address;
    this.#parts = parts;
    this.process = new Process(world);
    const endpoint = network.endpoint(address, this.process, {
      sizeOf: (beat) => encodeHeartbeat(beat).length,
      rewriteDigest: wire.rewriteDigest,
    });
    const { groups } = parts.options;
    const options = wire.hearsDigests ? parts.options : { ...parts.options, groups: { ...groups, meshNodes: Number.POSITIVE_INFINITY } };
    this.cluster = new ClusterNode<Query, Answer>(
      { name, weight: 1, stores: "shared", isShared: true },
      {
        clock: this.process.clock,
        random: world.random,
        network: {
          get isConnected() {
            return endpoint.isConnected;
          },
          publishHeartbeat: (beat) => endpoint.publishHeartbeat(wire.rewriteBeat(beat)),
          publishToGroup: (seat, beat) => endpoint.publishToGroup(seat, wire.rewriteBeat(beat)),
          publishDigest: endpoint.publishDigest,
          hearGroups: endpoint.hearGroups,
          askReady: endpoint.askReady,
          publishControl: endpoint.publishControl,
          send: endpoint.send,
          readLease: endpoint.readLease,
          writeLease: endpoint.writeLease,
        },
        local: {
          load: () => ({
            lagMs: this.slownessMs,
            inFlight: this.#inFlight,
            queue: this.#waiting.length,
            capacity: work.capacity,
            url: "",
            mode: "full",
            busy: this.#busyness.read(MAX_BUSY, 0.05 * work.capacity, this.process.clock.monotonicMs()),
          }),
          ready: () => this.#ready,
          replicasOf: () => work.replicas,
          mayHedge: () => true,
          serve: (query, timeoutMs, settle) => {
            this.serve(query, timeoutMs, settle);
            return () => undefined;
          },
          warm: (collection, ended) => this.#activate(collection, ended),
          release: (collection) => this.#release(collection),
        },
        onEvent: (event) => parts.onEvent(event, name),
      },
      options,
    );
    network.join(this);
  }

  get hearsDigests(): boolean {
    return this.#parts.wire.hearsDigests;
  }

  get ready(): ReadonlySet<string> {
    return this.#ready;
  }

  /** As if these had been opened before. */
  hold(collections: readonly string[]): void {
    this.#ready = new Set(collections);
  }

  hearHeartbeat(beat: Heartbeat, seat: Seat | null): void {
    this.cluster.hearHeartbeat(beat, seat);
  }

  hearDigest(digest: Digest): void {
    if (this.#parts.wire.hearsDigests) this.cluster.hearDigest(digest);
  }

  readySet(): ReadyTold | null {
    return this.#parts.wire.hearsDigests ? this.cluster.readySet : null;
  }

  hearControl(control: Parameters<Receiver["hearControl"]>[0]): void {
    this.cluster.hearControl(control);
  }

  serve(query: Query, _timeoutMs: number, settle: (sent: Sent<Answer>) => void): void {
    const { work, onServed } = this.#parts;
    const isFull = this.#inFlight >= work.capacity && this.#waiting.length >= work.maxQueue;
    if (this.isLeft || isFull) {
      refuse(settle, isFull ? "overloaded" : "draining");
      return;
    }
    onServed(query);
    const ended = this.#busyness.begin(query.collection, this.process.clock.monotonicMs());
    const answer = () =>
      this.#work(() => {
        ended(this.process.clock.monotonicMs());
        settle({ kind: "answer", answer: { id: query.id, node: this.name } });
      });
    if (this.#ready.has(query.collection)) answer();
    else this.#activate(query.collection, answer);
  }

  leave(): void {
    this.cluster.drain(() => {
      this.isLeft = true;
      this.process.at(50, () => this.kill());
    });
  }

  kill(): void {
    this.cluster.stop();
    this.process.kill();
  }

  #work(done: () => void): void {
    const { world, work } = this.#parts;
    if (this.#inFlight >= work.capacity) {
      this.#waiting.push(() => this.#work(done));
      return;
    }
    this.#inFlight += 1;
    this.process.at(1 + Math.min(100, world.exponential(work.meanServiceMs)) + this.slownessMs, () => {
      this.#inFlight -= 1;
      done();
      this.#waiting.shift()?.();
    });
  }

  #activate(collection: string, done: () => void): void {
    const waiting = this.#activating.get(collection);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    if (this.#ready.has(collection)) {
      done();
      return;
    }
    this.#activating.set(collection, [done]);
    const { world, work } = this.#parts;
    this.process.at(world.between(...(work.activationMs as [number, number])), () => {
      this.#ready = new Set([...this.#ready, collection]);
      const all = this.#activating.get(collection) ?? [];
      this.#activating.delete(collection);
      for (const one of all) one();
    });
  }

  #release(collection: string): void {
    this.#ready = new Set([...this.#ready].filter((name) => name !== collection));
  }
}

function refuse(settle: (sent: Sent<Answer>) => void, code: "draining" | "overloaded"): void {
  settle({ kind: "error", error: { kind: "refused", cause: kennelError(code) } });
}
