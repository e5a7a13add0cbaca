import { atLeast, atMost, type BenchContext, plain, type Report } from "./harness/benchmark.ts";
import { type ClusterRig, opened, settled, viewOf } from "./harness/cluster_rig.ts";
import { pause } from "./harness/kennel_client.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import { type MixedCommand, type MixedResult, type MixedSample, searchRequests } from "./harness/mixed_load.ts";
import { linePlot } from "./harness/plot.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { quantile } from "./harness/statistics.ts";

const NODES = 3;
/** Channels to the store; the bulkhead gives a collection a part of them, so that one node is too little for the hot one. */
const CHANNELS: Readonly<Record<string, string>> = { KENNEL_MILVUS_MIN_POOL_SIZE: "4", KENNEL_MILVUS_MAX_POOL_SIZE: "4" };
/** Questions a second of all nodes together: nine in ten are the hot one's. */
const [HOT_PER_SECOND, OTHERS_PER_SECOND] = [180, 20] as const;
const [HOT_CONNECTIONS, OTHERS_CONNECTIONS] = [64, 8] as const;
const P99_RATIO = 1.5;
const LOOK_MS = 250;

interface Look {
  readonly atMs: number;
  /** Nodes that hold the hot collection. */
  readonly replicas: number;
}

interface Times {
  readonly quietMs: number;
  readonly hotMs: number;
}

/** Collections are asked at a steady rate; then one more takes nine tenths of the load, and then it is quiet again. */
export async function measureHot(
  rig: ClusterRig,
  hot: string,
  others: readonly string[],
  queries: readonly string[],
  storeLatencyMs: number,
  { isQuick, progress }: BenchContext,
): Promise<Report> {
  const times: Times = isQuick ? { quietMs: 3_000, hotMs: 12_000 } : { quietMs: 30_000, hotMs: 45_000 };
  const nodes: KennelServer[] = [];
  const loads = Array.from({ length: NODES * 2 }, () => startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url)));
  try {
    progress("a hot collection: starting nodes");
    for (let place = 1; place <= NODES; place += 1) nodes.push(await rig.startNode(`hot-${place}`, CHANNELS));
    const all = [hot, ...others];
    await opened(nodes[0] as KennelServer, all);
    await settled(nodes, NODES, all);
    await ask(nodes, loads.slice(0, NODES), others, queries, OTHERS_PER_SECOND, OTHERS_CONNECTIONS, 2_000); // warms
    progress("a hot collection: quiet and hot");
    const cold = ask(nodes, loads.slice(0, NODES), others, queries, OTHERS_PER_SECOND, OTHERS_CONNECTIONS, times.quietMs * 2 + times.hotMs);
    await pause(times.quietMs);
    const beginsMs = now();
    const looks: Look[] = [];
    const looking = watch(nodes[0] as KennelServer, hot, looks);
    const heated = await ask(nodes, loads.slice(NODES), [hot], queries, HOT_PER_SECOND, HOT_CONNECTIONS, times.hotMs);
    const endsMs = now();
    await looking.end();
    return reportOf(await cold, heated, looks, beginsMs, endsMs, storeLatencyMs, others.length);
  } finally {
    await Promise.all([...loads, ...nodes].map((each) => each.stop()));
  }
}

/** Asks all nodes at once, each at its part of the rate. */
async function ask(
  nodes: readonly KennelServer[],
  loads: readonly SideProcess[],
  collections: readonly string[],
  queries: readonly string[],
  perSecond: number,
  connections: number,
  durationMs: number,
): Promise<readonly MixedSample[]> {
  const requests = queries.map((query, place) => {
    const [request] = searchRequests(collections[(place * 7) % collections.length] as string, [query], { strategy: "bm25", top_k: 3 }, ['"mode":"full"']);
    return request as MixedCommand["requests"][number];
  }); // biome-ignore format: one thought
  const results = await Promise.all(
    nodes.map((node, place) => {
      const rate = { connections, durationMs, maxRequests: Number.MAX_SAFE_INTEGER, perSecond: perSecond / nodes.length };
      return (loads[place] as SideProcess).ask<MixedResult>({
        port: node.port,
        requests,
        keepsSamples: true,
        ...rate,
      } satisfies MixedCommand);
    }),
  );
  return results.flatMap(({ samples }) => samples);
}

function watch(node: KennelServer, hot: string, looks: Look[]): { end(): Promise<void> } {
  let isOver = false;
  const running = (async () => {
    while (!isOver) {
      const view = await viewOf(node);
      looks.push({ atMs: now(), replicas: view.collections.find(({ collection }) => collection === hot)?.nodes.length ?? 0 });
      await pause(LOOK_MS);
    }
  })();
  return {
    async end() {
      isOver = true;
      await running;
    },
  };
}

function reportOf(
  others: readonly MixedSample[],
  hot: readonly MixedSample[],
  looks: readonly Look[],
  beginsMs: number,
  endsMs: number,
  storeLatencyMs: number,
  count: number,
): Report {
  const p99 = (samples: readonly MixedSample[], isIn: (atMs: number) => boolean) =>
    quantile(samples.filter(({ atMs }) => isIn(atMs)).map(({ durationMs, waitedMs }) => durationMs + waitedMs), 0.99); // biome-ignore format: one thought
  const isHot = (atMs: number) => atMs >= beginsMs && atMs < endsMs;
  const most = Math.max(...looks.map(({ replicas }) => replicas));
  const grownMs = looks.find(({ replicas }) => replicas > 1)?.atMs ?? Number.NaN;
  const lastMs = looks.find(({ replicas }) => replicas === most)?.atMs ?? endsMs;
  const [quiet, during] = [p99(others, (atMs) => !isHot(atMs)), p99(others, isHot)];
  return {
    figures: [
      atMost("a hot collection: the others' p99 / their p99 without it", during / quiet, "ratio", P99_RATIO),
      atLeast("a hot collection: nodes that hold it in the end", most, "nodes", 2),
      plain("a hot collection: from its first question to its second place", (grownMs - beginsMs) / 1_000, "s"),
      plain("a hot collection: the others' p99 without it", quiet, "ms"),
      plain("a hot collection: the others' p99 beside it", during, "ms"),
      plain("a hot collection: its own p99 with one place", p99(hot, (atMs) => atMs < grownMs), "ms"), // biome-ignore format: one figure
      plain("a hot collection: its own p99 with all of its places", p99(hot, (atMs) => atMs >= lastMs + SETTLING_MS), "ms"), // biome-ignore format: one figure
      plain("a hot collection: its share of the questions meanwhile", hot.length / (hot.length + others.filter(({ atMs }) => isHot(atMs)).length), "ratio"), // biome-ignore format: one figure
      atMost("a hot collection: answers, the others' and its own, that were not in full", [...others, ...hot].filter(({ fault }) => fault !== null).length, "answers", 0), // biome-ignore format: one figure
    ],
    notes: [
      `A hot collection: ${NODES} nodes, ${count} collections asked ${OTHERS_PER_SECOND} times a second and one more ${HOT_PER_SECOND} times, \`bm25\` in a store that answers after ${storeLatencyMs} ms more than it takes, four channels to it a node; the rates hold whatever the answers take, and each answer is timed from when its question was due.`,
    ],
    details: {
      looks: looks.map(({ atMs, replicas }) => ({ s: (atMs - beginsMs) / 1_000, replicas })),
      hotSeconds: perSecond(hot, beginsMs),
    },
    plots: {
      cluster_hot: linePlot("A collection takes nine tenths of the load", "p99 of each second in ms; places times 100", [
        { name: "its p99", values: perSecond(hot, beginsMs) },
        { name: "the others' p99", values: perSecond(others.filter(({ atMs }) => isHot(atMs)), beginsMs) }, // biome-ignore format: one series
        { name: "its places x 100", values: placesBySecond(looks, beginsMs) },
      ]),
    },
  };
}

/** What was asked under one place may be answered a little after there are more. */
const SETTLING_MS = 3_000;

function perSecond(samples: readonly MixedSample[], fromMs: number): number[] {
  const seconds: number[][] = [];
  for (const { atMs, durationMs, waitedMs } of samples) {
    const at = Math.max(0, Math.floor((atMs - fromMs) / 1_000));
    while (seconds.length <= at) seconds.push([]);
    seconds[at]?.push(durationMs + waitedMs);
  }
  return seconds.map((each) => (each.length === 0 ? 0 : quantile(each, 0.99)));
}

function placesBySecond(looks: readonly Look[], fromMs: number): number[] {
  const seconds: number[] = [];
  for (const { atMs, replicas } of looks) seconds[Math.max(0, Math.floor((atMs - fromMs) / 1_000))] = replicas * 100;
  for (let at = 0; at < seconds.length; at += 1) seconds[at] ??= seconds[at - 1] ?? 0;
  return seconds;
}

/** Wall time as the load generators take it. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
