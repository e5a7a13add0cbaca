import { CLUSTER_OPTIONS, type ClusterOptions } from "../../cluster/options.ts";
import { DEMAND_LIMITS, Demands, workOf } from "../../cluster/placement/demand.ts";
import { Leveller } from "../../cluster/placement/leveller.ts";
import type { ClusterEvent } from "../../cluster/ports.ts";
import { type ErrorCode, toKennelError } from "../../runtime/errors.ts";
import { type Fault, planFaults } from "./faults.ts";
import { Invariants } from "./invariants.ts";
import { Network } from "./network.ts";
import { LATER_WIRE, OLDER_WIRE, PRESENT_WIRE, type Query, SimNode, type Wire, type WorkOptions } from "./sim_node.ts";
import { type WordCounts, Words } from "./words.ts";
import { World } from "./world.ts";

export interface SimulationOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly collections: number;
  readonly queriesPerSecond: number;
  /** Of faults and load; time to come to rest follows. */
  readonly durationMs: number;
  readonly timeoutMs: number;
  readonly replicas: number;
  readonly lossRatio: number;
  readonly hasFaults: boolean;
  /** Searches that a node works on at once. */
  readonly capacity: number;
  /** Share of the queries that ask the first collection; 0: it has no more than falls to it. */
  readonly hotShare: number;
  /** Up to so many nodes heartbeats are a mesh. */
  readonly meshNodes: number;
  /**
   * `mixed`: of three nodes one speaks an older wire, one a later one. `passing`: those that would speak the older one do so in
   * one of four of their lives, so that the mesh comes and goes. `digests`: they speak the present one.
   */
  readonly wires: "mixed" | "passing" | "digests";
}

export const SIMULATION: Omit<SimulationOptions, "seed"> = {
  nodes: 3,
  collections: 40,
  queriesPerSecond: 40,
  durationMs: 60_000,
  timeoutMs: 2_000,
  replicas: 2,
  lossRatio: 0.0005,
  hasFaults: true,
  capacity: 32,
  hotShare: 0,
  meshNodes: CLUSTER_OPTIONS.groups.meshNodes,
  wires: "mixed",
};

export interface SimulationReport {
  readonly seed: number;
  readonly steps: number;
  readonly queries: number;
  readonly answered: number;
  /** Errors by code, of queries whose node was there all the time. */
  readonly errors: Readonly<Record<string, number>>;
  /** Queries whose own node was killed or stopped while they were open: their clients ask another node. */
  readonly disturbed: number;
  readonly forwarded: number;
  readonly sends: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly epochs: number;
  /** Most places that a busy collection was given. */
  readonly mostReplicas: number;
  /** Most groups that heartbeats belonged to, and how often a node has seen their number change. */
  readonly mostGroups: number;
  readonly groupChanges: number;
  /** What operators have said, how often another was quicker, and how often a newer word was written again over an older one. */
  readonly words: WordCounts;
  readonly faults: readonly string[];
  /** What must hold and did not; empty: all did. */
  readonly violations: readonly string[];
}

const WORK: WorkOptions = { capacity: 32, maxQueue: 1_000, meanServiceMs: 8, activationMs: [40, 200], replicas: 2 };
/** Suspicion, death, the lease's time and the start of those that are to come back. */
const REST_MS = 45_000;
const BALANCER_NOTICES_MS = 500;
const LEAD_EVERY_MS = 1_000;
const WATCH_EVERY_MS = 500;

/** One history of a cluster under load and faults, the same for the same options. */
export function simulate(options: SimulationOptions): SimulationReport {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #network: Network;
  readonly #invariants: Invariants;
  readonly #words: Words;
  readonly #nodes = new Map<string, SimNode>();
  readonly #disturbedMs = new Map<SimNode, number>();
  readonly #drainingMs = new Map<SimNode, number>();
  readonly #collections: readonly string[];
  readonly #clusterOptions: ClusterOptions;
  readonly #faults: string[] = [];
  readonly #errors: Record<string, number> = {};
  readonly #sends: Record<string, number> = {};
  #queries = 0;
  #answered = 0;
  #disturbed = 0;
  #forwarded = 0;
  #slowestMs = 0;
  #mostReplicas = 0;
  /** Lives of nodes that change the wire that they speak. */
  #starts = 0;
  #mostGroups = 0;
  #groupChanges = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#world = new World(options.seed);
    this.#network = new Network(this.#world, { meanDelayMs: 0.5, lossRatio: options.lossRatio });
    this.#invariants = new Invariants(this.#world);
    this.#words = new Words(this.#world, this.#network, this.#invariants, options.seed);
    this.#collections = Array.from({ length: options.collections }, (_, at) => `c${at}`);
    this.#clusterOptions = { ...CLUSTER_OPTIONS, groups: { ...CLUSTER_OPTIONS.groups, meshNodes: options.meshNodes } };
  }

  run(): SimulationReport {
    const { nodes, durationMs, hasFaults } = this.#options;
    for (let at = 0; at < nodes; at++) this.#world.at(this.#world.between(0, 300), () => this.#start(`n${at}`));
    // The first queries come when the nodes have heard of each other.
    this.#world.at(1_500, () => this.#load());
    if (hasFaults) for (const fault of planFaults(this.#world, { fromMs: 5_000, untilMs: durationMs })) this.#plan(fault);
    this.#words.begin(durationMs);
    const check = () => this.#invariants.checkLeaders(this.#nodes.values());
    this.#world.runUntil(durationMs, check);
    this.#mend();
    this.#world.runUntil(durationMs + REST_MS, check);
    this.#invariants.checkRest([...this.#nodes.values()], this.#collections, this.#options.meshNodes);
    this.#words.checkRest([...this.#nodes.values()].filter(({ process, isLeft }) => process.isRunning && !isLeft).map(({ name }) => name));
    for (const node of this.#nodes.values()) this.#countSends(node);
    return {
      seed: this.#options.seed,
      steps: this.#world.steps,
      queries: this.#queries,
      answered: this.#answered,
      errors: this.#errors,
      disturbed: this.#disturbed,
      forwarded: this.#forwarded,
      sends: this.#sends,
      slowestMs: Math.round(this.#slowestMs),
      epochs: this.#invariants.epochs,
      mostReplicas: this.#mostReplicas,
      mostGroups: this.#mostGroups,
      groupChanges: this.#groupChanges,
      words: this.#words.counts,
      faults: this.#faults,
      violations: this.#invariants.violations,
    };
  }

  #start(name: string): SimNode {
    const node = new SimNode({
      name,
      address: name,
      world: this.#world,
      network: this.#network,
      work: { ...WORK, replicas: this.#options.replicas, capacity: this.#options.capacity },
      options: this.#clusterOptions,
      onEvent: (event) => this.#happened(event, name),
      onServed: (query) => this.#invariants.served(query),
      wire: this.#wireOf(Number(name.slice(1))),
    });
    this.#nodes.set(name, node);
    node.cluster.start();
    this.#lead(node, new Leveller(), new Demands(DEMAND_LIMITS));
    this.#watchGroups(node, 0);
    this.#words.follow(name, node.process);
    return node;
  }

  #wireOf(number: number): Wire {
    const { wires } = this.#options;
    if (number % 3 === 2) return LATER_WIRE;
    if (number % 3 === 0 || wires === "digests") return PRESENT_WIRE;
    return wires === "mixed" || this.#starts++ % 4 === 3 ? OLDER_WIRE : PRESENT_WIRE;
  }

  #happened(event: ClusterEvent, node: string): void {
    if (event.kind === "leads") this.#invariants.leads(event.epoch, node);
  }

  #watchGroups(node: SimNode, before: number): void {
    const { count } = node.cluster.groups;
    this.#mostGroups = Math.max(this.#mostGroups, count);
    if (count !== before) this.#groupChanges += 1;
    node.process.at(WATCH_EVERY_MS, () => this.#watchGroups(node, count));
  }

  /** What a leader does, from time to time: it levels the placement and tells the others. */
  #lead(node: SimNode, leveller: Leveller, demands: Demands): void {
    const { cluster, process } = node;
    process.at(LEAD_EVERY_MS, () => {
      const epoch = cluster.leadsIn;
      if (epoch !== null) {
        const nodes = cluster.membership.placeable();
        const least = this.#options.replicas;
        const load = { capacity: this.#options.capacity, most: nodes.length, leastOf: () => least };
        const replicas = demands.step(workOf(cluster.membership.all()), load, process.clock.monotonicMs());
        const replicasOf = (collection: string) => Math.max(least, replicas.get(collection) ?? 1);
        const exceptions = leveller.level({ collections: this.#collections, nodes, replicasOf, previous: cluster.placement.exceptions });
        if (cluster.tell({ exceptions, replicas, mode: "full" })) this.#invariants.told(epoch, node);
        for (const count of replicas.values()) this.#mostReplicas = Math.max(this.#mostReplicas, count);
      }
      this.#lead(node, leveller, demands);
    });
  }

  #load(): void {
    if (this.#world.nowMs >= this.#options.durationMs - this.#options.timeoutMs) return;
    this.#ask();
    this.#world.at(this.#world.exponential(1_000 / this.#options.queriesPerSecond), () => this.#load());
  }

  #ask(): void {
    const world = this.#world;
    const entry = world.pick([...this.#nodes.values()].filter((node) => this.#isReachable(node)));
    if (entry === undefined || !entry.process.isRunning) return; // its client goes to another
    // Few are asked for often.
    const isHot = this.#options.hotShare > 0 && world.random.next() < this.#options.hotShare;
    const collection = this.#collections[isHot ? 0 : Math.floor(world.random.next() ** 3 * this.#collections.length)] as string;
    const query: Query = { id: ++this.#queries, collection, hops: 0 };
    const startedMs = world.nowMs;
    const { timeoutMs } = this.#options;
    const wasDisturbed = () => !entry.process.isRunning || (this.#disturbedMs.get(entry) ?? -1) >= startedMs;
    let settled = 0;
    entry.cluster.query(collection, query, timeoutMs, (sent) => {
      settled += 1;
      if (settled > 1) this.#invariants.violated(`query ${query.id} was settled ${settled} times`);
      if (sent.kind === "answer") {
        if (sent.answer.id !== query.id) this.#invariants.violated(`query ${query.id} got the answer of ${sent.answer.id}`);
        this.#answered += 1;
        if (sent.answer.node !== entry.name) this.#forwarded += 1;
        if (!wasDisturbed()) this.#slowestMs = Math.max(this.#slowestMs, world.nowMs - startedMs);
      } else if (!wasDisturbed()) this.#failed(query, toKennelError(sent.error.cause).code, entry.name);
    });
    world.at(timeoutMs + 1, () => {
      if (settled === 0 && wasDisturbed()) this.#disturbed += 1;
      else if (settled === 0) this.#invariants.violated(`query ${query.id} was not settled by its deadline`);
    });
  }

  #failed(query: Query, code: ErrorCode, entry: string): void {
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    if (code !== "overloaded") this.#invariants.violated(`query ${query.id} of ${query.collection} at ${entry} was lost: ${code}`);
  }

  #isReachable(node: SimNode): boolean {
    if (node.process.isDead || node.isLeft) return false;
    const drainingMs = this.#drainingMs.get(node);
    return drainingMs === undefined || this.#world.nowMs - drainingMs < BALANCER_NOTICES_MS;
  }

  #plan(fault: Fault): void {
    this.#world.at(fault.atMs, () => {
      const what = this.#inject(fault);
      if (what !== null) this.#faults.push(`${(this.#world.nowMs / 1_000).toFixed(1)} s ${what}`);
    });
  }

  /** What was done; null: there was nobody to do it to. At least one node always runs undisturbed. */
  #inject(fault: Fault): string | null {
    const running = [...this.#nodes.values()].filter((node) => node.process.isRunning && !node.cluster.isDraining);
    const node = this.#world.pick(running);
    if (node === undefined) return null;
    const isLast = running.length < 2;
    switch (fault.kind) {
      case "kill":
        if (isLast) return null;
        this.#disturbedMs.set(node, this.#world.nowMs);
        this.#countSends(node);
        node.kill();
        this.#world.at(fault.lastsMs, () => this.#start(node.name));
        return `${node.name} killed, back after ${Math.round(fault.lastsMs)} ms`;
      case "pause":
        if (isLast) return null;
        this.#disturbedMs.set(node, this.#world.nowMs);
        node.process.pause();
        this.#world.at(fault.lastsMs, () => {
          this.#disturbedMs.set(node, this.#world.nowMs);
          node.process.resume();
        });
        return `${node.name} stopped for ${Math.round(fault.lastsMs)} ms`;
      case "restart":
        if (isLast) return null;
        this.#drainingMs.set(node, this.#world.nowMs);
        node.cluster.drain(() => {
          node.isLeft = true;
          this.#countSends(node);
          node.process.at(50, () => node.kill());
          this.#world.at(fault.lastsMs, () => this.#start(node.name));
        });
        return `${node.name} drained, back ${Math.round(fault.lastsMs)} ms after it has left`;
      case "partition": {
        const group = [...this.#nodes.keys()].filter(() => this.#world.random.next() < 0.4);
        this.#network.partition(group, 1);
        this.#world.at(fault.lastsMs, () => this.#network.heal());
        return `${group.join(", ") || "nobody"} cut off for ${Math.round(fault.lastsMs)} ms`;
      }
      case "isolate":
        this.#network.partition([node.name], 2);
        this.#world.at(fault.lastsMs, () => this.#network.heal());
        return `${node.name} without any server for ${Math.round(fault.lastsMs)} ms`;
      case "slow":
        node.slownessMs = fault.amount * 300;
        this.#world.at(fault.lastsMs, () => {
          node.slownessMs = 0;
        });
        return `${node.name} ${Math.round(node.slownessMs)} ms slower for ${Math.round(fault.lastsMs)} ms`;
      case "congestion":
        this.#network.slownessMs = fault.amount * 100;
        this.#world.at(fault.lastsMs, () => {
          this.#network.slownessMs = 0;
        });
        return `messages ${Math.round(this.#network.slownessMs)} ms late for ${Math.round(fault.lastsMs)} ms`;
      case "no_lease_store":
        this.#network.lease.isAway = true;
        this.#world.at(fault.lastsMs, () => {
          this.#network.lease.isAway = false;
        });
        return `no store of leases for ${Math.round(fault.lastsMs)} ms`;
      case "lease_store_lost":
        this.#network.lease.entry = null;
        this.#network.lease.revision = 0;
        this.#invariants.leaseLost(this.#clusterOptions.lease.ttlMs);
        return "store of leases emptied";
      case "clock_jump":
        node.process.wallOffsetMs += (fault.amount - 0.5) * 7_200_000;
        return `wall clock of ${node.name} jumps`;
      case "same_name":
        this.#twin(node, fault.lastsMs);
        return `another ${node.name} for ${Math.round(fault.lastsMs)} ms`;
    }
  }

  /** A second process with a name that is taken; clients do not know it. */
  #twin(node: SimNode, lastsMs: number): void {
    const twin = new SimNode({
      name: node.name,
      address: `${node.name} beside`,
      world: this.#world,
      network: this.#network,
      work: WORK,
      options: this.#clusterOptions,
      onEvent: (event) => this.#happened(event, `another ${node.name}`),
      onServed: () => undefined,
      wire: PRESENT_WIRE,
    });
    twin.cluster.start();
    this.#world.at(lastsMs, () => twin.kill());
  }

  #mend(): void {
    this.#network.heal();
    this.#network.slownessMs = 0;
    this.#network.lease.isAway = false;
    for (const node of this.#nodes.values()) {
      node.process.resume();
      node.slownessMs = 0;
    }
  }

  #countSends(node: SimNode): void {
    for (const [reason, count] of Object.entries(node.cluster.router.counts.sends))
      this.#sends[reason] = (this.#sends[reason] ?? 0) + count;
  }
}
