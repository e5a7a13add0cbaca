import process from "node:process";
import { encodeDigest, MAX_DIGEST_BYTES, parseDigest } from "../../cluster/membership/digest.ts";
import { encodeHeartbeat, type Heartbeat, parseHeartbeat, WIRE_VERSION } from "../../cluster/membership/heartbeat.ts";
import { MEMBERSHIP_LIMITS } from "../../cluster/membership/member.ts";
import { Membership } from "../../cluster/membership/membership.ts";
import { CLUSTER_OPTIONS } from "../../cluster/options.ts";
import { type Exceptions, ownersIn } from "../../cluster/placement/level.ts";
import { Leveller } from "../../cluster/placement/leveller.ts";
import { RankTable } from "../../cluster/placement/rank_table.ts";
import { type PlacementNode, placementNode } from "../../cluster/placement/rendezvous.ts";
import { Network } from "./network.ts";
import { PRESENT_WIRE, SimNode } from "./sim_node.ts";
import { World } from "./world.ts";

export interface MembershipScale {
  readonly nodes: number;
  /** Groups that heartbeats belong to; 0: a mesh. */
  readonly groups: number;
  /** Heartbeats and digests that reach a node in a second, on the average of all once they are where they want to be. */
  readonly heardPerSecond: number;
  /** Their bytes; a node tells the names of 100 collections in every tenth heartbeat. */
  readonly bytesPerSecond: number;
  /** From the death of a node until the first and the last of the others have declared it. */
  readonly declaredMs: readonly [number, number];
  /** Living nodes that anybody has suspected. */
  readonly falseSuspicions: number;
}

const READY = Array.from({ length: 100 }, (_, at) => `collection-${at}`);
const WORK = { capacity: 32, maxQueue: 100, meanServiceMs: 5, activationMs: [50, 50], replicas: 1 } as const;
/** Groups have been made by then. */
const SETTLED_MS = 6_500;
const KILLED_MS = 7_500;
const END_MS = 14_000;

/** Heartbeats of many nodes of which one is killed, one that speaks for its group where there are groups. @param meshNodes beyond so many nodes they belong to groups */
export function membershipAtScale(nodes: number, seed: number, meshNodes: number): MembershipScale {
  const world = new World(seed);
  const network = new Network(world, { meanDelayMs: 1, lossRatio: 0.001 });
  const declaredMs: number[] = [];
  let falseSuspicions = 0;
  let victim: SimNode | undefined;
  const all = Array.from({ length: nodes }, (_, at) => {
    const name = `node-${at}`;
    return new SimNode({
      name,
      address: name,
      world,
      network,
      work: WORK,
      options: { ...CLUSTER_OPTIONS, groups: { ...CLUSTER_OPTIONS.groups, meshNodes } },
      onEvent: (event) => {
        if (event.kind === "died" && event.node === victim?.name) declaredMs.push(world.nowMs - KILLED_MS);
        if (event.kind === "suspected" && event.node !== victim?.name) falseSuspicions += 1;
      },
      onServed: () => undefined,
      wire: PRESENT_WIRE,
    });
  });
  for (const node of all) {
    node.hold(READY);
    world.at(world.between(0, 500), () => node.cluster.start());
  }
  const reached = () => all.map(({ address }) => network.reached(address));
  const sum = (counts: readonly number[]) => counts.reduce((total, each) => total + each, 0);
  world.runUntil(SETTLED_MS, () => undefined);
  const before = reached();
  world.at(KILLED_MS - SETTLED_MS, () => {
    victim = all.find(({ cluster }) => cluster.groups.isSpeaking) ?? all[0];
    victim?.kill();
  });
  world.runUntil(END_MS, () => undefined);
  const after = reached();
  const perSecond = (what: "messages" | "bytes") =>
    (sum(after.map((each) => each[what])) - sum(before.map((each) => each[what]))) / after.length / ((END_MS - SETTLED_MS) / 1_000);
  return {
    nodes,
    groups: all.at(-1)?.cluster.groups.count ?? 0,
    heardPerSecond: perSecond("messages"),
    bytesPerSecond: perSecond("bytes"),
    declaredMs: [Math.round(Math.min(...declaredMs)), Math.round(Math.max(...declaredMs))],
    falseSuspicions,
  };
}

export interface PlacementScale {
  readonly nodes: number;
  readonly collections: number;
  readonly replicas: number;
  /** Most and fewest places on a node, as multiples of an even share. */
  readonly highest: number;
  readonly lowest: number;
  /** Without levelling. */
  readonly plainHighest: number;
  readonly exceptions: number;
  /** Places that move when a node is lost, and when one joins, as multiples of its share. */
  readonly movedByLoss: number;
  readonly movedByJoin: number;
  readonly first: LevelTimes;
  readonly loss: LevelTimes;
  readonly join: LevelTimes;
}

/** What a levelling costs, in processor time of the machine of the run: others that it runs for do not count. */
export interface LevelTimes {
  readonly steps: number;
  readonly totalMs: number;
  /** 99th percentile of its steps, and the longest: how long others wait when one runs, the collector of garbage included. */
  readonly stepP99Ms: number;
  readonly longestStepMs: number;
}

/** Places of many collections on many nodes, of which one goes and one comes. */
export function placementAtScale(nodeCount: number, collectionCount: number, replicas: number): PlacementScale {
  const nodes = Array.from({ length: nodeCount }, (_, at) => placementNode(`node-${at}`, 1));
  const collections = Array.from({ length: collectionCount }, (_, at) => `collection-${at}`);
  const leveller = new Leveller();
  const levelOn = (present: readonly PlacementNode[], previous: Exceptions) =>
    run(leveller.steps({ collections, nodes: present, replicasOf: () => replicas, previous }));
  const place = (present: readonly PlacementNode[], exceptions: Exceptions): Places => {
    const table = new RankTable();
    run(table.setNodes(present));
    run(table.setCollections(collections, () => replicas + 4));
    return new Map(collections.map((collection) => [collection, ownersIn(table, collection, replicas, exceptions)] as const));
  };
  const first = levelOn(nodes, new Map());
  const before = place(nodes, first.outcome);
  const lost = nodes[Math.floor(nodeCount / 2)] as PlacementNode;
  const left = nodes.filter((node) => node !== lost);
  const loss = levelOn(left, first.outcome);
  const after = place(left, loss.outcome);
  const joined = [...left, placementNode("newcomer", 1)];
  const join = levelOn(joined, loss.outcome);
  const last = place(joined, join.outcome);
  const even = (collectionCount * Math.min(replicas, nodeCount)) / nodeCount;
  const loads = [...countLoads(before, nodes).values()];
  const joinedLoad = countLoads(last, joined).get("newcomer") ?? 0;
  return {
    nodes: nodeCount,
    collections: collectionCount,
    replicas,
    highest: Math.max(...loads) / even,
    lowest: Math.min(...loads) / even,
    plainHighest: Math.max(...countLoads(place(nodes, new Map()), nodes).values()) / even,
    exceptions: first.outcome.size,
    movedByLoss: countMoves(before, after) / (countLoads(before, nodes).get(lost.name) ?? 1),
    movedByJoin: countMoves(after, last) / Math.max(1, joinedLoad),
    first: first.times,
    loss: loss.times,
    join: join.times,
  };
}

function run<Outcome>(steps: Generator<void, Outcome>): { readonly outcome: Outcome; readonly times: LevelTimes } {
  const tookMs: number[] = [];
  for (;;) {
    const before = process.cpuUsage();
    const step = steps.next();
    const { user, system } = process.cpuUsage(before);
    tookMs.push((user + system) / 1_000);
    if (step.done !== true) continue;
    const sorted = tookMs.sort((a, b) => a - b);
    const times = {
      steps: sorted.length,
      totalMs: sorted.reduce((sum, each) => sum + each, 0),
      stepP99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      longestStepMs: sorted.at(-1) ?? 0,
    };
    return { outcome: step.value, times };
  }
}

type Places = ReadonlyMap<string, readonly string[]>;

function countLoads(places: Places, nodes: readonly PlacementNode[]): Map<string, number> {
  const loads = new Map(nodes.map(({ name }) => [name, 0]));
  for (const owners of places.values()) for (const owner of owners) loads.set(owner, (loads.get(owner) ?? 0) + 1);
  return loads;
}

/** Places that somebody has to fill who did not have them. */
function countMoves(before: Places, after: Places): number {
  let moves = 0;
  for (const [collection, owners] of after) moves += owners.filter((owner) => !before.get(collection)?.includes(owner)).length;
  return moves;
}

const HEARD = 20_000;
const KNOWN = 1_000;

/** Microseconds of processor time to read a heartbeat and take it in, on this machine. */
export function measureHearing(): number {
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  const texts = Array.from({ length: HEARD }, (_, at) => encodeHeartbeat(typicalBeat(at, at % 10 === 0)));
  return timed(() => {
    for (const text of texts) membership.observe(parseHeartbeat(text) as Heartbeat, 0);
  }, HEARD);
}

/** The same for one of the `beats` heartbeats that a digest tells of. */
export function measureDigest(beats: number): number {
  const membership = new Membership(MEMBERSHIP_LIMITS, 0, () => undefined);
  const digests = Math.ceil(HEARD / beats);
  const texts = Array.from({ length: digests }, (_, at) => {
    const told = Array.from({ length: beats }, (_unused, place) => ({ beat: typicalBeat(at * beats + place, false), ageMs: 7 * place }));
    return encodeDigest({ node: "node-0", stores: "shared", seat: { count: 32, group: 0 }, beats: told }, MAX_DIGEST_BYTES)[0] as string;
  });
  return timed(() => {
    for (const text of texts) for (const { beat, ageMs } of parseDigest(text)?.beats ?? []) membership.observe(beat, 0, ageMs);
  }, digests * beats);
}

function timed(run: () => void, times: number): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

function typicalBeat(at: number, hasNames: boolean): Heartbeat {
  return {
    wire: WIRE_VERSION,
    node: `node-${at % KNOWN}`,
    incarnation: { startedMs: 1_767_225_600_000 + (at % KNOWN), id: "k3j5h2g8" },
    sequence: at,
    isDraining: false,
    isLeaving: false,
    lagMs: at % 4,
    inFlight: at % 7,
    queue: 0,
    capacity: 32,
    weight: 1,
    ready: { version: 1, names: hasNames ? new Set(READY) : null },
    url: "http://10.0.0.1:7400",
    busy: new Map(),
    stores: "shared",
    answersClients: true,
    epoch: 1_767_225_600_000,
    isLeader: false,
    mode: "full",
  };
}
