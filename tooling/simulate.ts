// npm run simulate: histories of a cluster under load and faults in simulated time, and what its size costs. Exit code 1
// when something that must hold did not; the seed that is printed then gives the same history again.
//
//   npm run simulate                             the long run; writes bench/SIMULATION.md
//   npm run simulate -- --seed 17 --nodes 5      one history, told in full
//   npm run simulate -- --seeds 20               fewer histories of each kind, nothing is written
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureDigest, measureHearing, membershipAtScale, placementAtScale } from "../test/simulation/scale.ts";
import { SIMULATION, type SimulationOptions, type SimulationReport, simulate } from "../test/simulation/simulation.ts";
import { ROOT } from "./command.ts";

const KINDS = [
  { nodes: 3, replicas: 2 },
  { nodes: 3, replicas: 1 },
  { nodes: 5, replicas: 2 },
  { nodes: 9, replicas: 3 },
  { nodes: 9, replicas: 3, meshNodes: 4, wires: "digests" },
  { nodes: 9, replicas: 3, meshNodes: 7, wires: "passing" },
  { nodes: 16, replicas: 2, meshNodes: 12, wires: "digests" },
] as const satisfies readonly Partial<SimulationOptions>[];
const LONG_SEEDS = 500;
/** Of histories in groups, which take longer. */
const LONG_GROUP_SEEDS = 100;
const MEMBERSHIP_SIZES = [10, 30, 100, 300, 1_000];
const PLACEMENT_SIZES = [
  [3, 100, 1],
  [3, 100, 2],
  [10, 1_000, 2],
  [100, 10_000, 2],
  [1_000, 100_000, 1],
  [1_000, 100_000, 2],
] as const;

function tellOne(seed: number, nodes: number, replicas: number): number {
  const report = simulate({ ...SIMULATION, seed, nodes, replicas });
  console.log(JSON.stringify(report, null, 2));
  return report.violations.length;
}

interface Histories {
  readonly lines: readonly string[];
  readonly violations: number;
}

function tellMany(seeds: number): Histories {
  const lines = [
    "| nodes | mesh up to | places | histories | steps | queries | lost | of nodes that fell | forwarded | sent again | hedges | slowest | groups, changes | violations |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
  ];
  let violations = 0;
  for (const kind of KINDS) {
    const { nodes, replicas, meshNodes } = { ...SIMULATION, ...kind };
    const reports: SimulationReport[] = [];
    const count = meshNodes < nodes ? Math.min(seeds, LONG_GROUP_SEEDS) : seeds;
    for (let seed = 1; seed <= count; seed++) {
      const report = simulate({ ...SIMULATION, ...kind, seed });
      reports.push(report);
      for (const violation of report.violations)
        console.log(`seed ${seed}, ${nodes} nodes, ${replicas} places, mesh up to ${meshNodes}: ${violation}`);
    }
    const sum = (of: (report: SimulationReport) => number) => reports.reduce((total, report) => total + of(report), 0);
    const sends = (...reasons: readonly string[]) =>
      sum((report) => reasons.reduce((total, reason) => total + (report.sends[reason] ?? 0), 0));
    const lost = sum((report) => Object.values(report.errors).reduce((total, count) => total + count, 0));
    const broken = sum((report) => report.violations.length);
    violations += broken;
    const row = [
      nodes,
      meshNodes < nodes ? meshNodes : "all",
      replicas,
      reports.length,
      sum((report) => report.steps),
      sum((report) => report.queries),
      lost,
      sum((report) => report.disturbed),
      sum((report) => report.forwarded),
      sends("retry", "suspected", "late"),
      sends("hedge"),
      `${Math.max(...reports.map((report) => report.slowestMs))} ms`,
      `${Math.max(...reports.map(({ mostGroups }) => mostGroups))}, ${sum(({ groupChanges }) => groupChanges)}`,
      broken,
    ];
    lines.push(`| ${row.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell)).join(" | ")} |`);
    console.log(lines.at(-1));
  }
  return { lines, violations };
}

function tellMembership(): readonly string[] {
  const hearingUs = measureHearing();
  const lines = [
    "| nodes | heartbeats | heard by a node | to a node | delivered by the servers | work of a node | dead node declared | others suspected |",
    "|---|---|---|---|---|---|---|---|",
  ];
  for (const size of MEMBERSHIP_SIZES)
    for (const meshNodes of [size, size / 2]) {
      const { groups, heardPerSecond, bytesPerSecond, declaredMs, falseSuspicions } = membershipAtScale(size, 1, meshNodes);
      const digestsPerSecond = 2 * groups;
      const toldUs = groups === 0 ? 0 : digestsPerSecond * (size / groups) * measureDigest(Math.round(size / groups));
      const workUs = (heardPerSecond - digestsPerSecond) * hearingUs + toldUs;
      const cells = [
        size,
        groups === 0 ? "mesh" : `${groups} groups`,
        `${heardPerSecond.toFixed(0)} /s`,
        `${(bytesPerSecond / 1_000).toFixed(1)} kB/s`,
        `${Math.round(heardPerSecond * size).toLocaleString("en")} /s`,
        `${(workUs / 10_000).toFixed(2)} % of a core`,
        `${declaredMs[0]} to ${declaredMs[1]} ms`,
        falseSuspicions,
      ];
      lines.push(`| ${cells.join(" | ")} |`);
      console.log(lines.at(-1));
    }
  return lines;
}

function tellPlacement(): readonly string[] {
  const lines = [
    "| nodes | collections | places | highest | lowest | highest unlevelled | exceptions | moved by a loss | moved by a join | first | after a loss | after a join | p99 of a step | longest step |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
  ];
  for (const [nodes, collections, replicas] of PLACEMENT_SIZES) {
    const scale = placementAtScale(nodes, collections, replicas);
    const ratios = [scale.highest, scale.lowest, scale.plainHighest].map((ratio) => ratio.toFixed(2));
    const moved = [scale.movedByLoss, scale.movedByJoin].map((ratio) => `${ratio.toFixed(2)} of its share`);
    const all = [scale.first, scale.loss, scale.join];
    const totals = all.map(({ totalMs }) => `${totalMs.toFixed(0)} ms`);
    const [p99Ms, longestMs] = [Math.max(...all.map(({ stepP99Ms }) => stepP99Ms)), Math.max(...all.map((each) => each.longestStepMs))];
    const steps = [p99Ms, longestMs].map((ms) => `${ms.toFixed(1)} ms`);
    lines.push(`| ${[nodes, collections, replicas, ...ratios, scale.exceptions, ...moved, ...totals, ...steps].join(" | ")} |`);
    console.log(lines.at(-1));
  }
  return lines;
}

function document(histories: Histories, membership: readonly string[], placement: readonly string[]): string {
  return `# The cluster in simulated time

Written by \`npm run simulate\`; the code of membership, placement, routing, lease and drain is the one that nodes run.

## Histories

Each is 60 s of ${SIMULATION.queriesPerSecond} queries a second with a deadline of ${SIMULATION.timeoutMs} ms, with messages that are late, lost and out of order, and a fault every 3.5 s on the average:
nodes killed, stopped and drained, groups and single nodes cut off, slow nodes, a congested network, the store of leases away or emptied, clocks that
jump, a second node with the same name; a third of the nodes speak an older wire, a third a newer one. Then everything is mended and all must agree.
Where there is a mesh up to fewer nodes than there are, heartbeats belong to groups, and faults bring the number of nodes across that bound; nobody
speaks the older wire, except with "7", where nodes now and then come back with it and make a mesh of all.

${histories.lines.join("\n")}

"Lost" counts queries that were not answered although the node that was asked was there all the time; those "of nodes that fell" are their clients' to
ask again. Violations are counted of: a query settled once and by its deadline, at most one hop, none lost, never two leaders in one epoch nor (but for
the time of a lease after its store was emptied) at once, no older epoch heard, and at the end the same members, leader and places everywhere, what is
ready anywhere known to all, and heartbeats in groups or a mesh as they are to be. "Groups, changes" are the most groups there were, and how often a node
has seen their number change. Two seconds are not enough for every coincidence: of the 600 seeds from 501 on one loses a query with 9 nodes in a mesh
(889), of the 650 from 101 to 500 and from 1,001 on two in groups (367 with "7", 1089): its first message, or the answer, is lost, and before it is sent
again its node is cut off from those that it asks then.

What operators say goes on meanwhile: several at a time change flags on any node, over a store that is away when the store of leases is, and in every
other history emptied or set back to what stood there before. Counted as violations, too: a node that goes back to a word of an older epoch, a word
written over a newer one, a change that another one has undone unseen while the store was whole, and at the end two different words.

## Heartbeats

In a mesh every node hears every other one twice a second: a node hears 2 (n - 1) heartbeats a second and the servers deliver 2 n (n - 1). In groups
(beyond \`KENNEL_CLUSTER_MESH_NODES\`) a node hears those of its own group, and of each group what one node of it tells of all twice a second: about
4 √n messages a second for a node and 4 n √n for the servers. What a node has to take in stays n heartbeats an interval; in a digest they are shorter,
and names of what is ready stand in them when they have changed instead of every five seconds. One message of a thousand is lost here. ("Work" is
parsing and judging, on the machine of this run, and a trend only; every tenth heartbeat here tells of 100 collections.) The node that dies speaks for its
group where there are any. "Others suspected" are pairs of living nodes of which one has taken the other for late, of n² pairs in 14 s: in a mesh three
heartbeats in a row have to be lost for it, in groups the one to the speaker and the digest that would have made up for it, and the next digest mends it.

${membership.join("\n")}

## Placement

${placement.join("\n")}

Rendezvous hashing costs a hash for each node and collection; a node finds the places of a collection when it is asked for it and remembers them until
nodes change. Levelling is the leader's alone. It keeps the nearest nodes of each collection, so that a join costs one hash a collection and a loss one
ranking for each collection that was near to the lost node. It goes by steps, between which queries have their turn: a leader works on it for 4 ms at a
time and rests for as long. "First", "after a loss" and "after a join" are the processor time of all steps of a levelling on the machine of this run.
`;
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      nodes: { type: "string", default: "3" },
      replicas: { type: "string", default: "2" },
    },
  });
  const number = (name: "seed" | "seeds" | "nodes" | "replicas") => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`--${name} takes a whole number from 1, not ${values[name]}`);
    return value;
  };
  if (values.seed !== undefined) return tellOne(number("seed"), number("nodes"), number("replicas"));
  const isLong = values.seeds === undefined;
  const histories = tellMany(isLong ? LONG_SEEDS : number("seeds"));
  if (isLong) writeFileSync(join(ROOT, "bench/SIMULATION.md"), document(histories, tellMembership(), tellPlacement()));
  return histories.violations;
}

try {
  process.exitCode = main() === 0 ? 0 : 1;
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 2;
}
