import { fileURLToPath } from "node:url";
import { loadStaticModel } from "../actors/embedding/static/static_model.ts";
import { ndcg } from "../actors/retriever/evaluation/metrics.ts";
import { type JudgedQuery, readJudgedQueries } from "../bridge/cli/judged_queries.ts";
import { atLeast, atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { type BenchDocument, loadQueries, nplDocuments, recombine } from "./harness/corpus.ts";
import { exactNearest, recall } from "./harness/exact.ts";
import { findTables, type KennelServer } from "./harness/kennel_server.ts";
import type { LoadResult } from "./harness/load.ts";
import { barPlot } from "./harness/plot.ts";
import { processorMs } from "./harness/processor_time.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";
import { measureCosts } from "./warm_costs.ts";

/**
 * A warm hybrid query over HTTP, result cache off, everything else on, beside the thinnest possible server on the same
 * LanceDB tables (same model, same fusion, 100 candidates a side, at most two searches in flight) and a server on Kennel's
 * listener that answers fixed bytes. All rounds are interleaved; every figure is the median of its rounds, every ratio the
 * median of the rounds' ratios. Processor time is the server process's own.
 */
export const warmBenchmark: Benchmark = { name: "warm", title: "A warm query over HTTP beside the thinnest server on LanceDB", run };

const SIDES = ["kennel", "thin", "fixed"] as const;
type Side = (typeof SIDES)[number];

interface Measured extends LoadResult {
  /** Of the server's process, for each request. */
  readonly processorMs: number;
}

type Round = Readonly<Record<Side, Measured>>;

/** What a size must reach: beside the thin server, and of the exact 100 nearest. */
interface Bounds {
  readonly recall: number;
  readonly processor: number;
  readonly p50: number;
}

const QUERIES = 4_000;
const CANDIDATES = 100;
const CONNECTIONS = [1, 16] as const;
const PAST_CACHE = { "cache-control": "no-cache" };
const BOUNDS: Readonly<Record<string, Bounds>> = {
  npl: { processor: 1 / 12, p50: 1 / 8, recall: 0.99 },
  big: { processor: 1 / 6, p50: 1 / 4, recall: 0.98 },
};
const JUDGED = ["queries.jsonl", "qrels.tsv"].map((file) => fileURLToPath(new URL(`../test/data/npl/${file}`, import.meta.url)));

async function run(context: BenchContext): Promise<Report> {
  const npl = await nplDocuments(context.isQuick ? 1_000 : undefined);
  const sets = [{ name: "npl", documents: npl }, ...(context.isQuick ? [] : [{ name: "big", documents: recombine(npl, 100_000) }])];
  // As a node runs by default: also the log is on, though a good answer writes no line at its level.
  const kennel = await context.startKennel({ environment: { KENNEL_LOG_LEVEL: "info" } });
  const [load, thin, fixed] = ["./harness/load.ts", "./rivals/thin_store_server.ts", "./rivals/fixed_server.ts"].map((script) =>
    startSideProcess(new URL(script, import.meta.url)),
  ) as [SideProcess, SideProcess, SideProcess];
  try {
    const reports: SetReport[] = [];
    for (const set of sets) reports.push(await measureSet(set.name, set.documents, { kennel, load, thin, fixed }, context));
    const costs = await measureCosts(context);
    const request = reports[0]?.kennelProcessorMs ?? Number.NaN;
    return {
      figures: [
        ...reports.flatMap(({ figures }) => figures),
        ...costs.map(({ name, microseconds }) => plain(`of a request: ${name}`, microseconds, "µs CPU")),
        plain(
          "of a request on npl: mailbox, checks, metrics and log together",
          costs.filter(({ isPartOfRequest }) => isPartOfRequest).reduce((sum, { microseconds }) => sum + microseconds, 0) / (request * 10),
          "%",
        ),
      ],
      notes: [
        "Kennel runs as its users start it, with the result cache passed by; the thin server has no checks, limits, metrics, logs or deadlines and runs at most two searches at once, each with its 100 candidates a side.",
        "Rounds of all sides alternate; figures are medians of rounds, ratios medians of the rounds' ratios. Processor time is the server process's own, all threads, as the system counts it.",
        "What a safeguard costs is measured by itself, many times in a row, less the same step without it.",
      ],
      details: { rounds: Object.fromEntries(reports.map(({ name, rounds }) => [name, rounds])), costs },
      plots: Object.fromEntries(reports.flatMap(({ plots }) => Object.entries(plots))),
    };
  } finally {
    await Promise.all([load, thin, fixed].map((side) => side.stop()));
  }
}

interface Servers {
  readonly kennel: KennelServer;
  readonly load: SideProcess;
  readonly thin: SideProcess;
  readonly fixed: SideProcess;
}

interface SetReport {
  readonly name: string;
  readonly figures: readonly Figure[];
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
  readonly plots: Readonly<Record<string, string>>;
  readonly kennelProcessorMs: number;
}

async function measureSet(name: string, documents: readonly BenchDocument[], servers: Servers, context: BenchContext): Promise<SetReport> {
  const { kennel, thin, fixed } = servers;
  context.progress(`loading ${documents.length} documents into ${name}`);
  await kennel.call("PUT", `/v1/collections/${name}`, {});
  await kennel.ingest(name, documents);
  await kennel.call("POST", `/v1/collections/${name}/warm`);
  await kennel.resident(name);
  const tables = await findTables(kennel.folder, name);
  const thinPort = await thin.ask<number>({ directory: tables.directory, table: `${name}.v${tables.version}` });
  const queries = loadQueries(documents, QUERIES);
  const sample = await kennel.call("POST", `/v1/collections/${name}/search`, { query: queries[0] });
  const fixedPort = await fixed.ask<number>({ body: JSON.stringify(sample) });
  const ports = { kennel: kennel.port, thin: thinPort, fixed: fixedPort };
  const quality = context.isQuick ? [] : await rankingFigures(name, documents, ports);

  const rounds: Record<string, Round[]> = {};
  for (const connections of CONNECTIONS) {
    rounds[connections] = [];
    for (let round = 0; round <= (context.isQuick ? 2 : 5); round += 1) {
      context.progress(`${name}, ${connections} connections, round ${round}`);
      const measured = await measureRound(name, queries, connections, ports, servers, context);
      if (round > 0) rounds[connections].push(measured); // the first one warms
    }
  }
  const level = (connections: number): readonly Round[] => rounds[connections] ?? [];
  return {
    name,
    figures: [...quality, ...CONNECTIONS.flatMap((connections) => figuresOf(name, connections, level(connections)))],
    rounds,
    plots: plotsOf(name, level),
    kennelProcessorMs: median(level(16).map((round) => round.kennel.processorMs)),
  };
}

async function measureRound(
  name: string,
  queries: readonly string[],
  connections: number,
  ports: Readonly<Record<Side, number>>,
  { kennel, load, thin, fixed }: Servers,
  context: BenchContext,
): Promise<Round> {
  const pids = { kennel: kennel.pid, thin: thin.pid, fixed: fixed.pid };
  const bodies = queries.map((query) => JSON.stringify({ query }));
  const results: Partial<Record<Side, Measured>> = {};
  for (const side of SIDES) {
    const beforeMs = processorMs(pids[side]);
    const result = await load.ask<LoadResult>({
      port: ports[side],
      path: `/v1/collections/${name}/search`,
      headers: PAST_CACHE,
      bodies,
      connections,
      durationMs: context.isQuick ? 500 : 2_000,
      maxRequests: Number.MAX_SAFE_INTEGER,
    });
    if (result.failures > 0) throw new Error(`${result.failures} requests to ${side} failed: ${result.sample.slice(0, 300)}`);
    if (side === "kennel" && !result.sample.includes('"index":"resident"')) throw new Error(`${name} is not answered from memory`);
    results[side] = { ...result, sample: "", processorMs: (processorMs(pids[side]) - beforeMs) / result.requests };
  }
  return results as Round;
}

function figuresOf(name: string, connections: number, rounds: readonly Round[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  const label = (what: string) => `${name}, ${connections} connections: ${what}`;
  const titles = { kennel: "Kennel", thin: "thin server", fixed: "fixed answer" };
  const bounds = BOUNDS[name] as Bounds;
  const ratio = (value: (side: Measured) => number) => over(({ kennel, thin }) => value(kennel) / value(thin));
  const figures = SIDES.flatMap((side) => [
    plain(
      label(titles[side]),
      over((round) => round[side].perSecond),
      "req/s",
    ),
    plain(
      label(`${titles[side]} p50`),
      over((round) => round[side].p50Ms),
      "ms",
    ),
    plain(
      label(`${titles[side]} p99`),
      over((round) => round[side].p99Ms),
      "ms",
    ),
    plain(
      label(`${titles[side]} processor`),
      over((round) => round[side].processorMs),
      "ms/request",
    ),
  ]);
  const processor = ratio((side) => side.processorMs);
  const p50 = ratio((side) => side.p50Ms);
  return [
    ...figures,
    // The levels that the bounds are for: latency where nothing waits, processor time under load.
    ...(connections === 1
      ? [
          plain(label("Kennel / thin server, processor"), processor, "ratio"),
          atMost(label("Kennel / thin server, p50"), p50, "ratio", bounds.p50),
        ]
      : [
          atMost(label("Kennel / thin server, processor"), processor, "ratio", bounds.processor),
          plain(
            label("Kennel / thin server, req/s"),
            ratio((side) => side.perSecond),
            "ratio",
          ),
        ]),
  ];
}

/**
 * What is found for the judged queries: nDCG@10 of both sides, where the documents are those that were judged, and Kennel's
 * part of the exact 100 nearest.
 */
async function rankingFigures(
  name: string,
  documents: readonly BenchDocument[],
  ports: Readonly<Record<Side, number>>,
): Promise<readonly Figure[]> {
  const judged = await readJudgedQueries(...(JUDGED as [string, string]));
  const ask = async (port: number, body: object): Promise<string[]> => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/collections/${name}/search`, {
      method: "POST",
      headers: { "content-type": "application/json", ...PAST_CACHE },
      body: JSON.stringify(body),
    });
    const { data } = (await response.json()) as { data: readonly { document_id: string }[] };
    return data.map(({ document_id }) => document_id);
  };
  const mean = async (value: (query: JudgedQuery) => Promise<number>): Promise<number> => {
    let sum = 0;
    for (const query of judged) sum += await value(query);
    return sum / judged.length;
  };
  const ndcgOf = (port: number) => mean(async ({ text, judgements }) => ndcg(await ask(port, { query: text }), judgements, 10));
  const isJudged = documents.every(({ id }) => !id.startsWith("made-"));
  const model = await loadStaticModel();
  const vectors = documents.map(({ text }) => model.embedSync(text));
  const found = await mean(async ({ text }) => {
    const vector = model.embedSync(text);
    if (vector === null) return 1;
    const nearest = exactNearest(documents, vectors, vector, CANDIDATES).map(({ id }) => id);
    return recall(await ask(ports.kennel, { query: text, strategy: "vector", top_k: CANDIDATES, include: [] }), nearest);
  });
  return [
    ...(isJudged
      ? [
          plain(`${name}: nDCG@10, Kennel`, await ndcgOf(ports.kennel), ""),
          plain(`${name}: nDCG@10, thin server`, await ndcgOf(ports.thin), ""),
        ]
      : []),
    atLeast(`${name}: exact 100 nearest that Kennel finds`, found, "ratio", (BOUNDS[name] as Bounds).recall),
  ];
}

function plotsOf(name: string, level: (connections: number) => readonly Round[]): Readonly<Record<string, string>> {
  const titles = { kennel: "Kennel, resident", thin: "thin server on LanceDB", fixed: "fixed answer" };
  const labels = CONNECTIONS.map((connections) => `${connections} connections`);
  const plot = (title: string, unit: string, value: (side: Measured) => number) =>
    barPlot(
      `${title}, ${name}`,
      unit,
      labels,
      SIDES.map((side) => ({
        name: titles[side],
        values: CONNECTIONS.map((connections) => median(level(connections).map((round) => value(round[side])))),
      })),
    );
  return {
    [`warm_${name}_rate`]: plot("Warm hybrid search", "requests a second", ({ perSecond }) => perSecond),
    [`warm_${name}_processor`]: plot("Warm hybrid search", "ms of processor a request", (side) => side.processorMs),
  };
}
