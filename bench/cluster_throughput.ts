import { atLeast, atMost, type BenchContext, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { type ClusterRig, opened, settled } from "./harness/cluster_rig.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import type { MixedCommand, MixedRequest, MixedResult } from "./harness/mixed_load.ts";
import { linePlot } from "./harness/plot.ts";
import { processorMs } from "./harness/processor_time.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";

const SIZES = [1, 2, 4, 8] as const;
/**
 * So many that no node waits for questions: of a closed network of n stations with c customers each, one is idle for about
 * (n - 1) / (c n + n - 1) of the time (Reiser and Lavenberg, Mean-Value Analysis, 1980), 4 % here for 8 nodes.
 */
const CONNECTIONS_PER_NODE = 24;
const LEAST_OF_LINEAR = 0.9;
/** A node that is new runs code that is not compiled yet: each is asked until all together answer hardly more than in the round before. */
const SETTLING_MS = 5_000;
const SETTLED_GAIN = 1.03;
const SETTLED_ROUNDS = 2;
const MAX_SETTLING_ROUNDS = 16;

interface Round {
  readonly alonePerSecond: number;
  readonly clusterPerSecond: number;
  readonly clusterP99Ms: number;
  readonly faults: number;
  /** Of all nodes' processes while the cluster was asked, in cores. */
  readonly cores: number;
}

/** One channel to the store, one call at a time: with a store that takes 20 ms a node answers less than 50 questions a second. */
export const ONE_CHANNEL: Readonly<Record<string, string>> = { KENNEL_MILVUS_MIN_POOL_SIZE: "1", KENNEL_MILVUS_MAX_POOL_SIZE: "1" };

/**
 * Questions for collections that are spread over 1, 2, 4 and 8 nodes, each of any node, beside a node that is in no cluster
 * and has the same stores; the two in turns.
 */
export async function measureThroughput(
  rig: ClusterRig,
  collections: readonly string[],
  queries: readonly string[],
  storeLatencyMs: number,
  { isQuick, progress }: BenchContext,
): Promise<Report> {
  const [sizes, rounds, roundMs] = isQuick ? [SIZES.slice(0, 2), 1, 2_000] : [SIZES, 3, 6_000];
  const requests = requestsFor(collections, queries);
  const nodes: KennelServer[] = [];
  const loads: SideProcess[] = [];
  const measured = new Map<number, readonly Round[]>();
  progress("throughput: starting a node that is alone");
  const alone = await rig.startNode("alone", { ...ONE_CHANNEL, KENNEL_NATS_URL: "" });
  try {
    for (const size of sizes) {
      progress(`throughput: ${size} nodes, starting`);
      while (nodes.length < size) nodes.push(await rig.startNode(`throughput-${nodes.length + 1}`, ONE_CHANNEL));
      while (loads.length < size) loads.push(startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url)));
      await Promise.all([...nodes, alone].map((node) => opened(node, collections)));
      await settled(nodes, size, collections);
      await settleRate(() => measureRound(nodes, alone, loads, requests, isQuick ? SETTLING_MS / 5 : SETTLING_MS));
      const of: Round[] = [];
      for (let round = 1; round <= rounds; round += 1) {
        progress(`throughput: ${size} nodes, round ${round} of ${rounds}`);
        const measuredRound = await measureRound(nodes, alone, loads, requests, roundMs);
        of.push(measuredRound);
        progress(`throughput: ${size} nodes, round ${round}: ${linearity(size, measuredRound).toFixed(2)} of linear`);
      }
      measured.set(size, of);
    }
  } finally {
    await Promise.all([...loads, ...nodes, alone].map((each) => each.stop()));
  }
  return reportOf(measured, storeLatencyMs, collections.length, rounds);
}

async function settleRate(measure: () => Promise<Round>): Promise<void> {
  let best = 0;
  for (let round = 0, settled = 0; round < MAX_SETTLING_ROUNDS && settled < SETTLED_ROUNDS; round += 1) {
    const { clusterPerSecond } = await measure();
    settled = clusterPerSecond > best * SETTLED_GAIN ? 0 : settled + 1;
    best = Math.max(best, clusterPerSecond);
  }
}

function requestsFor(collections: readonly string[], queries: readonly string[]): MixedRequest[] {
  // Two primes apart, so that neither a collection nor a query comes in step with a connection.
  return queries.map((query, place) => ({
    kind: "bm25",
    method: "POST",
    path: `/v1/collections/${collections[(place * 7) % collections.length]}/search`,
    headers: { "cache-control": "no-cache" },
    body: JSON.stringify({ query, strategy: "bm25", top_k: 3 }),
    status: 200,
    contains: ['"mode":"full"'],
  }));
}

async function measureRound(
  nodes: readonly KennelServer[],
  alone: KennelServer,
  loads: readonly SideProcess[],
  requests: readonly MixedRequest[],
  durationMs: number,
): Promise<Round> {
  const ask = (node: KennelServer, load: SideProcess): Promise<MixedResult> => {
    const whole = { connections: CONNECTIONS_PER_NODE, durationMs, maxRequests: Number.MAX_SAFE_INTEGER, perSecond: 0 };
    return load.ask<MixedResult>({ port: node.port, requests, keepsSamples: false, ...whole } satisfies MixedCommand);
  };
  const one = await ask(alone, loads[0] as SideProcess);
  const before = workOf(nodes);
  const startedMs = performance.now();
  const all = await Promise.all(nodes.map((node, place) => ask(node, loads[place] as SideProcess)));
  const cores = (workOf(nodes) - before) / (performance.now() - startedMs);
  const faults = [one, ...all].reduce((sum, result) => sum + Object.values(result.faults).reduce((total, count) => total + count, 0), 0);
  return {
    alonePerSecond: one.perSecond,
    clusterPerSecond: all.reduce((sum, { perSecond }) => sum + perSecond, 0),
    clusterP99Ms: Math.max(...all.map(({ p99Ms }) => p99Ms)),
    faults,
    cores,
  };
}

const workOf = (nodes: readonly KennelServer[]) => nodes.reduce((sum, { pid }) => sum + processorMs(pid), 0);

function linearity(size: number, { clusterPerSecond, alonePerSecond }: Round): number {
  return clusterPerSecond / (size * alonePerSecond);
}

function reportOf(measured: ReadonlyMap<number, readonly Round[]>, storeLatencyMs: number, collections: number, rounds: number): Report {
  const figures: Figure[] = [];
  const rates: number[] = [];
  for (const [size, of] of measured) {
    const over = (value: (round: Round) => number) => median(of.map(value));
    const linear = over((round) => linearity(size, round));
    const perSecond = over(({ clusterPerSecond }) => clusterPerSecond);
    const name = size === 1 ? "1 node" : `${size} nodes`;
    rates.push(perSecond);
    figures.push(
      atLeast(`throughput of ${name} as a share of ${size} times a node alone`, linear, "ratio", LEAST_OF_LINEAR),
      plain(`throughput of ${name}`, perSecond, "req/s"),
      plain(`${name}: processor time of the nodes`, over(({ cores }) => cores), "cores"), // biome-ignore format: one figure
      atMost(`${name}: answers that were not in full`, of.reduce((sum, { faults }) => sum + faults, 0), "answers", 0), // biome-ignore format: one figure
    );
  }
  return {
    figures,
    notes: [
      `Throughput: ${collections} collections with one place each, \`bm25\` in a store that answers after ${storeLatencyMs} ms more than it takes, and one channel to it a node, so that a node is full long before the cores are; ${CONNECTIONS_PER_NODE} connections a node, asked until the rate of all has settled, each asking its node for all collections, so that with n nodes (n - 1) of n questions are forwarded. ${rounds} rounds, each beside a node of no cluster on the same stores.`,
    ],
    details: Object.fromEntries(measured),
    plots: { cluster_throughput: linePlot("Throughput of 1, 2, 4 and 8 nodes", "req/s", [{ name: "measured", values: rates }]) },
  };
}
