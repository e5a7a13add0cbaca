import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { type HostedKennel, startHostedKennel } from "./harness/hosted.ts";
import { pause } from "./harness/kennel_client.ts";
import { type MixedCommand, type MixedResult, type MixedSample, searchRequests } from "./harness/mixed_load.ts";
import type { RetrieverFault } from "./harness/retriever_faults.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median, quantile } from "./harness/statistics.ts";

/**
 * Two collections are searched at steady rates. The retriever of one is made to crash, hang or slow down, and is let be
 * again; what the other one's callers notice of it is held against the quiet time right before, round by round.
 */
export const isolationBenchmark: Benchmark = {
  name: "isolation",
  title: "One collection's retriever fails while another is searched",
  run,
};

const [WELL, SICK] = ["well", "sick"] as const;
const FAULTS: readonly RetrieverFault[] = [{ kind: "crash" }, { kind: "hang" }, { kind: "slow", delayMs: 6_000 }];
const QUERIES = 400;
/** Requests a second: a fraction of what one core answers, so that a slow answer is the node's and not the queue's. */
const [WELL_PER_SECOND, SICK_PER_SECOND] = [150, 30];
const WELL_CONNECTIONS = 8;
/** What the failing one's callers give it; each holds its connection for as long. */
const PATIENCE_MS = 1_000;
/** Enough for every caller to wait out its patience. */
const SICK_CONNECTIONS = 48;
/** An answer within this time is one "at once". */
const AT_ONCE_MS = 50;

interface Times {
  readonly quietMs: number;
  readonly sickMs: number;
  readonly afterMs: number;
  readonly rounds: number;
}

interface Round {
  readonly quietP99Ms: number;
  readonly sickP99Ms: number;
  /** Answers of the well one that were not in full, over the whole round. */
  readonly wellFaults: number;
  /** From the fault to the first refusal at once. */
  readonly toldMs: number;
  /** The share of the failing one's callers that were told at once, from then until its recovery was let begin. */
  readonly toldAtOnceRatio: number;
  /** From the end of the fault to the first full answer. */
  readonly backMs: number;
}

async function run(context: BenchContext): Promise<Report> {
  const times: Times = context.isQuick
    ? { quietMs: 1_500, sickMs: 3_000, afterMs: 4_000, rounds: 1 }
    : { quietMs: 6_000, sickMs: 8_000, afterMs: 16_000, rounds: 3 };
  const documents = await nplDocuments(context.isQuick ? 500 : 4_000);
  const folder = join(context.workFolder, "isolation");
  await mkdir(folder, { recursive: true });
  const kennel = await startHostedKennel(folder);
  const loads = [WELL, SICK].map(() => startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url))) as [SideProcess, SideProcess];
  try {
    for (const name of [WELL, SICK]) {
      await kennel.call("PUT", `/v1/collections/${name}`, {});
      await kennel.ingest(name, documents);
      await kennel.resident(name);
    }
    const queries = loadQueries(documents, QUERIES);
    const figures: Figure[] = [];
    const details: Record<string, readonly Round[]> = {};
    for (const fault of FAULTS) {
      const rounds: Round[] = [];
      for (let round = 0; round < times.rounds; round += 1) {
        context.progress(`${fault.kind}, round ${round + 1} of ${times.rounds}`);
        rounds.push(await measure(kennel, loads, queries, fault, times));
      }
      details[fault.kind] = rounds;
      figures.push(...figuresOf(fault.kind, rounds));
    }
    return { figures, details };
  } finally {
    await kennel.setFault(SICK, null);
    await Promise.all(loads.map((load) => load.stop()));
    await kennel.stop();
  }
}

async function measure(
  kennel: HostedKennel,
  [wellLoad, sickLoad]: readonly [SideProcess, SideProcess],
  queries: readonly string[],
  fault: RetrieverFault,
  times: Times,
): Promise<Round> {
  const command = (collection: string, connections: number, perSecond: number): MixedCommand => ({
    port: kennel.port,
    requests: searchRequests(collection, queries, {}, ['"mode":"full"', '"degradations":[]']).map((request) => ({
      ...request,
      // An answer from the result cache would never meet the retriever.
      headers: { ...request.headers, "cache-control": "no-cache", "x-request-timeout-ms": String(PATIENCE_MS) },
    })),
    connections,
    durationMs: times.quietMs + times.sickMs + times.afterMs,
    maxRequests: Number.MAX_SAFE_INTEGER,
    perSecond,
    keepsSamples: true,
  });
  const well = wellLoad.ask<MixedResult>(command(WELL, WELL_CONNECTIONS, WELL_PER_SECOND));
  const sick = sickLoad.ask<MixedResult>(command(SICK, SICK_CONNECTIONS, SICK_PER_SECOND));
  await pause(times.quietMs);
  const beginsMs = now();
  await kennel.setFault(SICK, fault);
  await pause(times.sickMs);
  const endsMs = now();
  await kennel.setFault(SICK, null);
  return roundOf((await well).samples, (await sick).samples, beginsMs, endsMs);
}

function roundOf(well: readonly MixedSample[], sick: readonly MixedSample[], beginsMs: number, endsMs: number): Round {
  const p99Of = (fromMs: number, toMs: number) =>
    quantile(
      well.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map(({ durationMs, waitedMs }) => durationMs + waitedMs),
      0.99,
    );
  const during = sick.filter(({ atMs }) => atMs >= beginsMs && atMs < endsMs);
  const told = during
    .filter(({ fault, durationMs }) => fault !== null && durationMs <= AT_ONCE_MS)
    .map(({ atMs, durationMs }) => atMs + durationMs);
  const firstToldMs = Math.min(...told);
  const since = during.filter(({ atMs }) => atMs >= firstToldMs);
  const back = sick.filter(({ atMs, fault }) => atMs >= endsMs && fault === null).map(({ atMs, durationMs }) => atMs + durationMs);
  const [firstMs] = well.map(({ atMs }) => atMs).sort((a, b) => a - b);
  return {
    quietP99Ms: p99Of((firstMs ?? beginsMs) + SETTLING_MS, beginsMs),
    sickP99Ms: p99Of(beginsMs, endsMs),
    wellFaults: well.filter(({ fault }) => fault !== null).length,
    toldMs: firstToldMs - beginsMs,
    toldAtOnceRatio: since.filter(({ durationMs }) => durationMs <= AT_ONCE_MS).length / Math.max(since.length, 1),
    backMs: Math.min(...back) - endsMs,
  };
}

/** Connections are opened and code is compiled meanwhile. */
const SETTLING_MS = 500;

function figuresOf(kind: RetrieverFault["kind"], rounds: readonly Round[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  const what = { crash: "crashes", hang: "hangs", slow: "is slow" }[kind];
  return [
    atMost(
      `it ${what}: the other's p99 / its quiet p99`,
      over(({ sickP99Ms, quietP99Ms }) => sickP99Ms / quietP99Ms),
      "ratio",
      1.5,
    ),
    plain(
      `it ${what}: the other's p99`,
      over(({ sickP99Ms }) => sickP99Ms),
      "ms",
    ),
    atMost(`it ${what}: the other's answers that were not in full`, Math.max(...rounds.map(({ wellFaults }) => wellFaults)), "answers", 0),
    plain(
      `it ${what}: until its callers are told at once`,
      over(({ toldMs }) => toldMs),
      "ms",
    ),
    plain(
      `it ${what}: callers told within ${AT_ONCE_MS} ms from then on`,
      over(({ toldAtOnceRatio }) => toldAtOnceRatio),
      "ratio",
    ),
    plain(
      `it ${what}: from the fault's end to its first full answer`,
      over(({ backMs }) => backMs),
      "ms",
    ),
  ];
}

/** Wall time as the load generators take it. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
