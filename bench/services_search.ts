import { collectionName } from "../actors/vector_store/milvus/collection.ts";
import { atLeast, atMost, type BenchContext, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import type { LoadResult } from "./harness/load.ts";
import { barPlot } from "./harness/plot.ts";
import { processorMs } from "./harness/processor_time.ts";
import type { RealServers } from "./harness/real_servers.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";
import type { BareResult } from "./rivals/bare_store.ts";

/**
 * A warm `vector` search over HTTP on the store path, beside the bare call of Milvus' client that finds the same ten
 * chunks: vectors made beforehand, no HTTP, its own process. Rounds of all sides alternate.
 */
const COLLECTION = "npl";
const POOL_SIZES = [1, 10, 32] as const;
/** As many channels as a node has. */
const OWN_POOL_SIZE = 10;
const LEVELS = [1, 16, 64] as const;
const QUERIES = 4_000;
const PAST_CACHE = { "cache-control": "no-cache" };

interface Round {
  readonly kennel: LoadResult & { readonly processorMs: number };
  /** By size of the pool. */
  readonly bare: Readonly<Record<string, BareResult>>;
}

export async function measureSearch(servers: RealServers, context: BenchContext): Promise<Report> {
  // The documents lie in the data folder: 11,429 are too many for FerretDB, and a vector search reads none.
  const kennel = await context.startKennel({ environment: { KENNEL_MILVUS_URL: `http://${servers.milvus.address}` } });
  const documents = await nplDocuments(context.isQuick ? 1_000 : undefined);
  context.progress(`loading ${documents.length} documents into Milvus`);
  await kennel.call("PUT", `/v1/collections/${COLLECTION}`, { resident: "never" });
  await kennel.ingest(COLLECTION, documents);
  await kennel.call("POST", `/v1/collections/${COLLECTION}/warm`);
  const { version } = await kennel.call<{ readonly version: number }>("GET", `/v1/collections/${COLLECTION}`);
  const queries = loadQueries(documents, QUERIES);

  const [load, bare] = ["./harness/load.ts", "./rivals/bare_milvus.ts"].map((script) => startSideProcess(new URL(script, import.meta.url))) as [SideProcess, SideProcess]; // biome-ignore format: one call
  try {
    const collection = collectionName({ collection: COLLECTION, version });
    await bare.ask({ kind: "open", address: servers.milvus.address, collection, queries, poolSizes: POOL_SIZES });
    const rounds: Record<string, Round[]> = {};
    for (const connections of LEVELS) {
      rounds[connections] = [];
      for (let round = 0; round <= (context.isQuick ? 1 : 5); round += 1) {
        context.progress(`vector search, ${connections} connections, round ${round}`);
        const measured = await measureRound(queries, connections, { kennel, load, bare }, context);
        if (round > 0) rounds[connections].push(measured); // the first one warms
      }
    }
    const level = (connections: number): readonly Round[] => rounds[connections] ?? [];
    return {
      figures: LEVELS.flatMap((connections) => figuresOf(connections, level(connections))),
      notes: [
        `Vector search: ${documents.length} abstracts in Milvus, ten hits with their texts; Kennel over HTTP on the store path with the result cache passed by (passages that were answers before come from its memory), the bare client in a process of its own with vectors made beforehand and as many calls in flight as Kennel has connections.`,
      ],
      details: { search: rounds },
      plots: { services_search: plotOf(level) },
    };
  } finally {
    await Promise.all([load, bare].map((side) => side.stop()));
    await kennel.stop();
  }
}

interface Sides {
  readonly kennel: { readonly port: number; readonly pid: number };
  readonly load: SideProcess;
  readonly bare: SideProcess;
}

async function measureRound(queries: readonly string[], connections: number, sides: Sides, context: BenchContext): Promise<Round> {
  const durationMs = context.isQuick ? 500 : 2_000;
  const beforeMs = processorMs(sides.kennel.pid);
  const kennel = await sides.load.ask<LoadResult>({
    port: sides.kennel.port,
    path: `/v1/collections/${COLLECTION}/search`,
    headers: PAST_CACHE,
    bodies: queries.map((query) => JSON.stringify({ query, strategy: "vector" })),
    connections,
    durationMs,
    maxRequests: Number.MAX_SAFE_INTEGER,
  });
  if (kennel.failures > 0 || !kennel.sample.includes('"index":"store"')) {
    throw new Error(`${kennel.failures} searches failed, or the store path did not answer: ${kennel.sample.slice(0, 300)}`);
  }
  const spentMs = processorMs(sides.kennel.pid) - beforeMs;
  const bare: Record<string, BareResult> = {};
  for (const poolSize of POOL_SIZES) {
    const result = await sides.bare.ask<BareResult>({ kind: "run", poolSize, inFlight: connections, durationMs });
    bare[poolSize] = { ...result, sample: "" };
  }
  return { kennel: { ...kennel, sample: "", processorMs: spentMs / kennel.requests }, bare };
}

function figuresOf(connections: number, rounds: readonly Round[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  const label = (what: string) => `vector search, ${connections} connections: ${what}`;
  const bareOf = ({ bare }: Round, poolSize: number) => bare[poolSize] as BareResult;
  const best = (round: Round) => Math.max(...POOL_SIZES.map((poolSize) => bareOf(round, poolSize).perSecond));
  const latency = over((round) => round.kennel.p50Ms / bareOf(round, OWN_POOL_SIZE).p50Ms);
  const rate = over((round) => round.kennel.perSecond / best(round));
  return [
    plain(label("Kennel"), over(({ kennel }) => kennel.perSecond), "req/s"), // biome-ignore format: one line a figure
    plain(label("Kennel p50"), over(({ kennel }) => kennel.p50Ms), "ms"), // biome-ignore format: one line a figure
    plain(label("Kennel p99"), over(({ kennel }) => kennel.p99Ms), "ms"), // biome-ignore format: one line a figure
    plain(label("Kennel processor"), over(({ kennel }) => kennel.processorMs), "ms/request"), // biome-ignore format: one line a figure
    ...POOL_SIZES.flatMap((poolSize) => [
      plain(label(`bare client, ${poolSize} channels`), over((round) => bareOf(round, poolSize).perSecond), "req/s"), // biome-ignore format: one line a figure
      plain(label(`bare client, ${poolSize} channels, p50`), over((round) => bareOf(round, poolSize).p50Ms), "ms"), // biome-ignore format: one line a figure
      plain(label(`bare client, ${poolSize} channels, p99`), over((round) => bareOf(round, poolSize).p99Ms), "ms"), // biome-ignore format: one line a figure
    ]),
    connections === 1
      ? atMost(label(`p50, Kennel / bare client with ${OWN_POOL_SIZE} channels`), latency, "ratio", 1.3)
      : plain(label(`p50, Kennel / bare client with ${OWN_POOL_SIZE} channels`), latency, "ratio"),
    connections === 64
      ? atLeast(label("throughput, Kennel / bare client's best"), rate, "ratio", 0.85)
      : plain(label("throughput, Kennel / bare client's best"), rate, "ratio"),
  ];
}

function plotOf(level: (connections: number) => readonly Round[]): string {
  const over = (value: (round: Round) => number) => LEVELS.map((connections) => median(level(connections).map(value)));
  return barPlot(
    "Vector search on Milvus",
    "requests a second",
    LEVELS.map((connections) => `${connections} connections`),
    [
      { name: "Kennel over HTTP", values: over(({ kennel }) => kennel.perSecond) },
      ...POOL_SIZES.map((poolSize) => ({
        name: `bare, ${poolSize} channels`,
        values: over(({ bare }) => bare[poolSize]?.perSecond ?? Number.NaN),
      })),
    ],
  );
}
