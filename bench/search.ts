import { atLeast, atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { type BenchDocument, loadQueries, nplDocuments, recombine } from "./harness/corpus.ts";
import { findTables, type KennelServer } from "./harness/kennel_server.ts";
import type { LoadCommand, LoadResult } from "./harness/load.ts";
import { barPlot } from "./harness/plot.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";
import type { BareResult } from "./rivals/bare_store.ts";

/**
 * Hybrid search over HTTP beside the bare store calls on the same tables and a server that answers a fixed body. The
 * rounds of all are interleaved, so that a busy machine slows all alike; every figure is the median of its rounds, every
 * ratio the median of the rounds' ratios.
 */
export const searchBenchmark: Benchmark = { name: "search", title: "Hybrid search over HTTP beside bare store calls", run };

interface Sides {
  readonly kennel: KennelServer;
  readonly load: SideProcess;
  readonly bare: SideProcess;
  readonly fixed: SideProcess;
}

/** One round of all sides at one number of connections. */
interface Round {
  readonly store: LoadResult;
  readonly resident: LoadResult;
  readonly cached: LoadResult;
  readonly fixed: LoadResult;
  readonly bare: BareResult;
}

const QUERIES = 4_000;
/** So few that they are all in the result cache after the warming. */
const REPEATED_QUERIES = 50;
/** Queries that the bare side has in flight at most, as many as a retriever takes. */
const MAX_IN_FLIGHT = 32;
const PAST_CACHE = { "cache-control": "no-cache" };

async function run(context: BenchContext): Promise<Report> {
  const npl = await nplDocuments(context.isQuick ? 2_000 : undefined);
  const sets = [{ name: "npl", documents: npl }, ...(context.isQuick ? [] : [{ name: "big", documents: recombine(npl, 100_000) }])];
  const kennel = await context.startKennel();
  const [load, bare, fixed] = ["./harness/load.ts", "./rivals/bare_store.ts", "./rivals/fixed_server.ts"].map((script) =>
    startSideProcess(new URL(script, import.meta.url)),
  ) as [SideProcess, SideProcess, SideProcess];
  try {
    const reports: SetReport[] = [];
    for (const set of sets) reports.push(await measureSet(set.name, set.documents, { kennel, load, bare, fixed }, context));
    return {
      figures: reports.flatMap(({ figures }) => figures),
      details: Object.fromEntries(reports.map(({ name, rounds }) => [name, rounds])),
      plots: Object.fromEntries(reports.map(({ name, plot }) => [`search_${name}`, plot])),
    };
  } finally {
    await Promise.all([load, bare, fixed].map((side) => side.stop()));
  }
}

interface SetReport {
  readonly name: string;
  readonly figures: readonly Figure[];
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
  readonly plot: string;
}

async function measureSet(name: string, documents: readonly BenchDocument[], sides: Sides, context: BenchContext): Promise<SetReport> {
  const { kennel, bare, fixed } = sides;
  for (const [collection, resident] of [
    [name, "never"],
    [`${name}_resident`, "auto"],
  ] as const) {
    context.progress(`loading ${documents.length} documents into ${collection}`);
    await kennel.call("PUT", `/v1/collections/${collection}`, { resident });
    await kennel.ingest(collection, documents);
    await kennel.call("POST", `/v1/collections/${collection}/warm`);
  }
  const tables = await findTables(kennel.folder, name);
  await bare.ask({ kind: "open", directory: tables.directory, index: { collection: name, version: tables.version } });
  const queries = loadQueries(documents, QUERIES);
  const sample = await kennel.call("POST", `/v1/collections/${name}/search`, { query: queries[0] });
  const fixedPort = await fixed.ask<number>({ body: JSON.stringify(sample) });

  const levels = context.isQuick ? [1, 16] : [1, 16, 64];
  const rounds: Record<string, Round[]> = {};
  for (const connections of levels) {
    rounds[connections] = [];
    for (let round = 0; round <= (context.isQuick ? 2 : 5); round += 1) {
      context.progress(`${name}, ${connections} connections, round ${round}`);
      const measured = await measureRound(name, queries, connections, fixedPort, sides, context);
      if (round > 0) rounds[connections].push(measured); // the first one warms
    }
  }
  return {
    name,
    figures: levels.flatMap((level) => figuresOf(name, level, rounds[level] ?? [])),
    rounds,
    plot: plotOf(name, levels, rounds),
  };
}

async function measureRound(
  name: string,
  queries: readonly string[],
  connections: number,
  fixedPort: number,
  { kennel, load, bare }: Sides,
  context: BenchContext,
): Promise<Round> {
  const durationMs = context.isQuick ? 700 : 2_000;
  const bodies = queries.map((query) => JSON.stringify({ query }));
  const send = (command: Partial<LoadCommand>) =>
    load.ask<LoadResult>({
      port: kennel.port,
      path: `/v1/collections/${name}/search`,
      headers: PAST_CACHE,
      bodies,
      connections,
      durationMs,
      maxRequests: Number.MAX_SAFE_INTEGER,
      ...command,
    });
  const store = await send({});
  const bareResult = await bare.ask<BareResult>({ kind: "run", queries, inFlight: Math.min(connections, MAX_IN_FLIGHT), durationMs });
  const resident = await send({ path: `/v1/collections/${name}_resident/search` });
  const cached = await send({ headers: {}, bodies: bodies.slice(0, REPEATED_QUERIES) });
  const fixed = await send({ port: fixedPort });
  for (const [side, result] of Object.entries({ store, resident, cached, fixed })) {
    if (result.failures > 0)
      throw new Error(`${result.failures} of ${result.requests} requests to ${side} failed: ${result.sample.slice(0, 300)}`);
  }
  return { store, resident, cached, fixed, bare: bareResult };
}

function figuresOf(name: string, connections: number, rounds: readonly Round[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  const label = (what: string) => `${name}, ${connections} connections: ${what}`;
  const shared = [
    plain(
      label("store path"),
      over(({ store }) => store.perSecond),
      "req/s",
    ),
    plain(
      label("store path p50"),
      over(({ store }) => store.p50Ms),
      "ms",
    ),
    plain(
      label("store path p99"),
      over(({ store }) => store.p99Ms),
      "ms",
    ),
    plain(
      label("bare store calls"),
      over(({ bare }) => bare.perSecond),
      "req/s",
    ),
    plain(
      label("bare store calls p50"),
      over(({ bare }) => bare.p50Ms),
      "ms",
    ),
    plain(
      label("resident index"),
      over(({ resident }) => resident.perSecond),
      "req/s",
    ),
    plain(
      label("resident index p50"),
      over(({ resident }) => resident.p50Ms),
      "ms",
    ),
    plain(
      label("resident index p99"),
      over(({ resident }) => resident.p99Ms),
      "ms",
    ),
    plain(
      label("result cache"),
      over(({ cached }) => cached.perSecond),
      "req/s",
    ),
    plain(
      label("fixed answer"),
      over(({ fixed }) => fixed.perSecond),
      "req/s",
    ),
    atLeast(
      label("result cache / fixed answer"),
      over(({ cached, fixed }) => cached.perSecond / fixed.perSecond),
      "ratio",
      0.5,
    ),
  ];
  if (connections === 1) {
    const latency = over(({ store, bare, fixed }) => store.p50Ms / (bare.p50Ms + fixed.p50Ms));
    return [...shared, atMost(label("store path p50 / (bare calls + fixed answer) p50"), latency, "ratio", 1.3)];
  }
  const throughput = over(({ store, bare }) => store.perSecond / bare.perSecond);
  const what = label("store path / bare store calls");
  return [...shared, connections === 64 ? atLeast(what, throughput, "ratio", 0.85) : plain(what, throughput, "ratio")];
}

function plotOf(name: string, levels: readonly number[], rounds: Readonly<Record<string, readonly Round[]>>): string {
  const sides = ["bare", "store", "resident", "cached", "fixed"] as const;
  const titles = {
    bare: "bare store calls",
    store: "Kennel, store path",
    resident: "Kennel, resident",
    cached: "Kennel, result cache",
    fixed: "fixed answer",
  };
  const series = sides.map((side) => ({
    name: titles[side],
    values: levels.map((level) => median((rounds[level] ?? []).map((round) => round[side].perSecond))),
  }));
  return barPlot(`Hybrid search, ${name}`, "requests a second", levels.map((level) => `${level} connections`), series); // biome-ignore format: one call
}
