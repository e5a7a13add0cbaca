import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { atLeast, atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import type { CollectorAnswer } from "./harness/collector.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import type { LoadResult } from "./harness/load.ts";
import { processorMsSince, threadTimes } from "./harness/processor_time.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";

/**
 * What looking costs: one node without metrics and traces, one with metrics, one with metrics and traces of every hundredth
 * request, asked in turns. Every ratio is the median of the rounds' ratios, the order of a round turns from round to round.
 */
export const observabilityBenchmark: Benchmark = {
  name: "observability",
  title: "Searches with metrics, and with metrics and traces (1 %), beside a node that keeps neither",
  run,
};

const LEAST_SHARE = 0.95;
const CONNECTIONS = 16;
const MAX_ROUND_MS = 120_000;
const QUERIES = 4_000;
/** So few that they are all in the result cache after the first round. */
const REPEATED = 50;

const SIDES = ["off", "metrics", "traces"] as const;
type Side = (typeof SIDES)[number];
const KINDS = ["computed", "cached"] as const;
type Kind = (typeof KINDS)[number];
/** What one side did in one round. */
interface Taken {
  readonly perSecond: number;
  /** Of the node's process, all threads, for each request. */
  readonly processorMicroseconds: number;
}
type Round = Readonly<Record<Side, Readonly<Record<Kind, Taken>>>>;

/** Requests of one side in one round: the same for all, so that what they take can be compared where the machine is not quiet. */
const REQUESTS: Readonly<Record<Kind, number>> = { computed: 2_000, cached: 16_000 };
const QUICK_SHARE = 0.1;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 2_000 : undefined);
  const [load, collector] = ["./harness/load.ts", "./harness/collector.ts"].map((script) =>
    startSideProcess(new URL(script, import.meta.url)),
  ) as [SideProcess, SideProcess];
  try {
    const { port } = await collector.ask<CollectorAnswer>(null);
    const servers = await startSides(context, port);
    for (const side of SIDES) {
      context.progress(`loading ${documents.length} documents, ${side}`);
      const server = servers[side];
      await server.call("PUT", "/v1/collections/npl", {});
      await server.ingest("npl", documents);
      await server.resident("npl");
    }
    const bodies = loadQueries(documents, QUERIES).map((query) => JSON.stringify({ query }));
    const rounds: Round[] = [];
    for (let round = 0; round <= (context.isQuick ? 2 : 8); round++) {
      context.progress(`round ${round}`);
      const measured = await measureRound(servers, load, bodies, round, context.isQuick ? QUICK_SHARE : 1);
      if (round > 0) rounds.push(measured); // the first one warms
    }
    const spans = await servers.traces.metric('kennel_trace_spans_total{outcome="exported"}');
    return { figures: figuresOf(rounds, spans), notes: NOTES, details: { rounds, collector: await collector.ask(null) } };
  } finally {
    await Promise.all([load, collector].map((side) => side.stop()));
  }
}

const NOTES = [
  `${CONNECTIONS} connections, hybrid searches on NPL from memory; \`computed\` passes by the result cache, \`cached\` is answered from it.`,
  "The metrics of the nodes that keep them are scraped once a round; traces go to a collector on this machine.",
];

async function startSides(context: BenchContext, collectorPort: number): Promise<Readonly<Record<Side, KennelServer>>> {
  const start = async (side: Side, environment: Readonly<Record<string, string>>) => {
    const folder = join(context.workFolder, side);
    await mkdir(folder, { recursive: true });
    return context.startKennel({ folder, environment });
  };
  return {
    off: await start("off", { KENNEL_METRICS_ENABLED: "false" }),
    metrics: await start("metrics", {}),
    traces: await start("traces", {
      KENNEL_TRACING: "true",
      KENNEL_TRACES_RATIO: "0.01",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collectorPort}`,
    }),
  };
}

async function measureRound(
  servers: Readonly<Record<Side, KennelServer>>,
  load: SideProcess,
  bodies: readonly string[],
  round: number,
  share: number,
): Promise<Round> {
  const measured: Record<string, Record<string, Taken>> = { off: {}, metrics: {}, traces: {} };
  for (const kind of KINDS) {
    for (let place = 0; place < SIDES.length; place++) {
      const side = SIDES[(place + round) % SIDES.length] as Side;
      const { port, pid } = servers[side];
      if (kind === "computed") await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const before = threadTimes(pid);
      const result = await load.ask<LoadResult>({
        port,
        path: "/v1/collections/npl/search",
        headers: kind === "computed" ? { "cache-control": "no-cache" } : {},
        bodies: kind === "computed" ? bodies : bodies.slice(0, REPEATED),
        connections: CONNECTIONS,
        durationMs: MAX_ROUND_MS,
        maxRequests: Math.round(REQUESTS[kind] * share),
      });
      if (result.failures > 0) throw new Error(`${result.failures} requests to ${side} failed: ${result.sample.slice(0, 300)}`);
      const processorMicroseconds = (processorMsSince(pid, before) * 1_000) / result.requests;
      (measured[side] as Record<string, Taken>)[kind] = { perSecond: result.perSecond, processorMicroseconds };
    }
  }
  return measured as Round;
}

function figuresOf(rounds: readonly Round[], spans: number): readonly Figure[] {
  return [...KINDS.flatMap((kind) => kindFigures(kind, rounds)), plain("spans that reached the collector", spans, "spans")];
}

function kindFigures(kind: Kind, rounds: readonly Round[]): readonly Figure[] {
  const name = (side: Side) => (side === "traces" ? "metrics and traces" : side);
  const beside = (side: Side, value: (taken: Taken) => number) =>
    median(rounds.map((round) => value(round[side][kind]) / value(round.off[kind])));
  return [
    ...SIDES.map((side) => plain(`${kind}, ${name(side)}`, median(rounds.map((round) => round[side][kind].perSecond)), "req/s")),
    ...SIDES.map((side) =>
      plain(
        `${kind}, ${name(side)}: processor time of a request`,
        median(rounds.map((round) => round[side][kind].processorMicroseconds)),
        "us",
      ),
    ),
    ...(["metrics", "traces"] as const).flatMap((side) => [
      atLeast(
        `${kind}, ${name(side)}: rate beside off`,
        beside(side, ({ perSecond }) => perSecond),
        "ratio",
        LEAST_SHARE,
      ),
      atMost(
        `${kind}, ${name(side)}: processor time beside off`,
        beside(side, ({ processorMicroseconds }) => processorMicroseconds),
        "ratio",
        1 / LEAST_SHARE,
      ),
    ]),
  ];
}
