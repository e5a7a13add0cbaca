import { MongoClient } from "mongodb";
import { collectionName } from "../actors/vector_store/milvus/collection.ts";
import { atLeast, type BenchContext, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import type { LoadResult } from "./harness/load.ts";
import { watchPeak } from "./harness/peak_memory.ts";
import { barPlot } from "./harness/plot.ts";
import type { RealServers } from "./harness/real_servers.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";
import type { PerRequestServicesCommand } from "./rivals/per_request_services.ts";

/**
 * One retrieval on both services: a query's ten nearest passages with their texts. Kennel beside a service that makes its
 * clients for each request and one that keeps them. All sides take turns within each round; figures are medians of rounds,
 * ratios medians of the rounds' ratios.
 */
const SIDES = ["store", "parents", "resident", "keep", "connect", "load"] as const;
type Side = (typeof SIDES)[number];

const TITLES: Readonly<Record<Side, string>> = {
  store: "Kennel",
  parents: "Kennel, parents",
  resident: "Kennel, resident",
  keep: "clients kept",
  connect: "new clients",
  load: "and the load",
};
const LONG_TITLES: Readonly<Record<Side, string>> = {
  ...TITLES,
  store: "Kennel, store path",
  parents: "Kennel, store path, hybrid with parents",
  connect: "clients made per request",
  load: "clients made and collection loaded per request",
};

interface Measured extends LoadResult {
  /** Of the server's process during the round. */
  readonly peakBytes: number;
}

type Round = Readonly<Record<Side, Measured>>;

/** Where a side answers. */
interface Target {
  readonly port: number;
  readonly path: string;
  readonly pid: number;
  bodyOf(query: string): string;
  /** Must stand in its answers. */
  readonly contains: readonly string[];
}

const CLIENTS = [1, 16] as const;
/** FerretDB reads a whole collection to find some of its documents: ingesting 300 had not ended after three minutes. */
const DOCUMENTS = 60;
const QUERIES = 400;
const COMPARED_QUERIES = 40;
const MEBIBYTE = 1_048_576;
const PAST_CACHE = { "cache-control": "no-cache" };

export async function measureClients(servers: RealServers, context: BenchContext): Promise<Report> {
  const mongodb = withDatabase(servers.ferretDb.url, "kennel_clients");
  const kennel = await context.startKennel({
    environment: {
      KENNEL_MILVUS_URL: `http://${servers.milvus.address}`,
      KENNEL_MONGODB_URL: mongodb,
      KENNEL_MONGODB_START_WAIT_MS: "60000",
    },
  });
  const documents = await nplDocuments(DOCUMENTS);
  context.progress(`loading ${documents.length} documents into MongoDB and Milvus`);
  await kennel.call("PUT", "/v1/collections/store", { resident: "never" });
  await kennel.call("PUT", "/v1/collections/resident", {});
  for (const name of ["store", "resident"]) {
    await kennel.ingest(name, documents);
    await kennel.call("POST", `/v1/collections/${name}/warm`);
  }
  await kennel.resident("resident");

  const rivals = new Map<Side, SideProcess>();
  const load = startSideProcess(new URL("./harness/load.ts", import.meta.url));
  const serverPeaks = { Milvus: watchPeak(servers.milvus.pid()), FerretDB: watchPeak(servers.ferretDb.pid()) };
  try {
    const shared = await rivalCommand(servers, kennel, mongodb);
    const targets = {
      store: kennelTarget(kennel, "store", "vector"),
      parents: kennelTarget(kennel, "store", "parent_document"),
      resident: kennelTarget(kennel, "resident", "vector"),
    } as Record<Side, Target>;
    for (const each of ["keep", "connect", "load"] as const) {
      const rival = startSideProcess(new URL("./rivals/per_request_services.ts", import.meta.url));
      rivals.set(each, rival);
      const port = await rival.ask<number>({ ...shared, each } satisfies PerRequestServicesCommand);
      targets[each] = { port, path: "/", pid: rival.pid, bodyOf: (query) => JSON.stringify({ query }), contains: ['"text":"'] };
    }
    const queries = loadQueries(documents, QUERIES);
    const agreement = await agreementOf(targets, queries.slice(0, COMPARED_QUERIES));
    const rounds: Record<string, Round[]> = {};
    for (const clients of CLIENTS) {
      rounds[clients] = [];
      for (let round = 0; round <= (context.isQuick ? 1 : 5); round += 1) {
        context.progress(`${clients} clients, round ${round}`);
        const measured = await measureRound(targets, queries, clients, load, context);
        if (round > 0) rounds[clients].push(measured); // the first one warms
      }
    }
    const level = (clients: number): readonly Round[] => rounds[clients] ?? [];
    return {
      figures: [
        ...CLIENTS.flatMap((clients) => figuresOf(clients, level(clients))),
        atLeast("hits that Kennel and the clients made per request have in common", agreement, "ratio", 0.99),
        ...Object.entries(serverPeaks).map(([name, peakBytes]) => plain(`${name}: peak memory`, peakBytes() / MEBIBYTE, "MiB")),
      ],
      notes: [
        `The retrieval on both services: the ten nearest of ${documents.length} abstracts with their texts; few, because FerretDB reads a whole collection to find some of it.`,
        "Kennel runs as its users start it, with its result cache passed by; it has its passages in Milvus, and those that were answers before in memory. Hybrid with parents also ranks by BM25 and shows the parents' texts, which it reads from MongoDB and keeps likewise. The other side listens as Kennel does, keeps the model, and has no checks, limits, metrics, logs or deadlines; for each request it makes a client of Milvus and one of MongoDB, calls loadCollection or not (in which the client itself sleeps 400 ms), searches in Milvus, reads the texts from MongoDB, and closes both; or it keeps both clients.",
        "All sides take turns within each round. Where a request takes a second, a round has few of them, and its p99 is the slowest.",
      ],
      details: { clients: rounds, agreement },
      plots: plotsOf(level),
    };
  } finally {
    await Promise.all([load, ...rivals.values()].map((side) => side.stop()));
    await kennel.stop();
  }
}

function withDatabase(url: string, database: string): string {
  return url.replace("/?", `/${database}?`);
}

function kennelTarget({ port, pid }: KennelServer, collection: "store" | "resident", strategy: "vector" | "parent_document"): Target {
  return {
    port,
    path: `/v1/collections/${collection}/search`,
    pid,
    bodyOf: (query) => JSON.stringify({ query, strategy }),
    contains: [`"index":"${collection}"`, '"degradations":[]', '"text":"'],
  };
}

/** The rival reads what Kennel has written. */
async function rivalCommand(servers: RealServers, kennel: KennelServer, mongodb: string): Promise<Omit<PerRequestServicesCommand, "each">> {
  const { version } = await kennel.call<{ readonly version: number }>("GET", "/v1/collections/store");
  const client = new MongoClient(mongodb);
  try {
    const collections = client.db().collection<{ readonly _id: string; readonly c: string }>("collections");
    const record = await collections.findOne({ _id: "store" });
    if (record === null) throw new Error("MongoDB does not hold the collection that Kennel has made");
    const parentsPrefix = `${record.c}/${version}/`;
    return { milvus: servers.milvus.address, collection: collectionName({ collection: "store", version }), mongodb, parentsPrefix };
  } finally {
    await client.close();
  }
}

/** Part of the store path's hits that the rival has, too: both must do the same. */
async function agreementOf(targets: Readonly<Record<Side, Target>>, queries: readonly string[]): Promise<number> {
  const hits = async ({ port, path, bodyOf }: Target, query: string): Promise<readonly string[]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...PAST_CACHE },
      body: bodyOf(query),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
    const { data } = (await response.json()) as { readonly data: readonly { readonly id: string; readonly text: string }[] };
    return data.map(({ id, text }) => `${id} ${text}`);
  };
  let [common, all] = [0, 0];
  for (const query of queries) {
    const [own, other] = await Promise.all([hits(targets.store, query), hits(targets.load, query)]);
    common += own.filter((hit) => other.includes(hit)).length;
    all += own.length;
  }
  return common / all;
}

async function measureRound(
  targets: Readonly<Record<Side, Target>>,
  queries: readonly string[],
  clients: number,
  load: SideProcess,
  context: BenchContext,
): Promise<Round> {
  const results: Partial<Record<Side, Measured>> = {};
  for (const side of SIDES) {
    const { port, path, pid, bodyOf, contains } = targets[side];
    const peakBytes = watchPeak(pid);
    const result = await load.ask<LoadResult>({
      port,
      path,
      headers: PAST_CACHE,
      bodies: queries.map(bodyOf),
      connections: clients,
      durationMs: context.isQuick ? 1_000 : 3_000,
      maxRequests: Number.MAX_SAFE_INTEGER,
    });
    const lacking = contains.find((text) => !result.sample.includes(text));
    if (result.failures > 0 || lacking !== undefined) {
      throw new Error(`${result.failures} requests to ${TITLES[side]} failed, an answer lacks ${lacking}: ${result.sample.slice(0, 300)}`);
    }
    results[side] = { ...result, sample: "", peakBytes: peakBytes() };
  }
  return results as Round;
}

function figuresOf(clients: number, rounds: readonly Round[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  const label = (what: string) => `${clients} ${clients === 1 ? "client" : "clients"}: ${what}`;
  const latency = (slow: Side, quick: Side) => over((round) => round[slow].p50Ms / round[quick].p50Ms);
  const rate = (quick: Side, slow: Side) => over((round) => round[quick].perSecond / round[slow].perSecond);
  const sides = SIDES.flatMap((side) => {
    const of = (value: (measured: Measured) => number) => over((round) => value(round[side]));
    return [
      plain(label(`${LONG_TITLES[side]}, p50`), of(({ p50Ms }) => p50Ms), "ms"), // biome-ignore format: one line a figure
      plain(label(`${LONG_TITLES[side]}, p99`), of(({ p99Ms }) => p99Ms), "ms"), // biome-ignore format: one line a figure
      plain(label(`${LONG_TITLES[side]}, throughput`), of(({ perSecond }) => perSecond), "req/s"), // biome-ignore format: one line a figure
      plain(label(`${LONG_TITLES[side]}, peak memory`), of(({ peakBytes }) => peakBytes) / MEBIBYTE, "MiB"),
    ];
  });
  const p50s = {
    load: [label("p50, with the load / Kennel"), latency("load", "store"), "ratio"],
    connect: [label("p50, without the load / Kennel"), latency("connect", "store"), "ratio"],
  } as const;
  const rates = {
    load: [label("throughput, Kennel / with the load"), rate("store", "load"), "ratio"],
    connect: [label("throughput, Kennel / without the load"), rate("store", "connect"), "ratio"],
  } as const;
  return [
    ...sides,
    // The levels that the bounds are for: latency where nothing waits, throughput where much is asked.
    ...(clients === 1
      ? [atLeast(...p50s.load, 20), atLeast(...p50s.connect, 5), plain(...rates.load), plain(...rates.connect)]
      : [plain(...p50s.load), plain(...p50s.connect), atLeast(...rates.load, 10), plain(...rates.connect)]),
    plain(label("p50, clients kept / Kennel"), latency("keep", "store"), "ratio"),
    plain(label("p50, with the load / Kennel, resident"), latency("load", "resident"), "ratio"),
    plain(label("peak memory, with the load / Kennel"), over(({ load, store }) => load.peakBytes / store.peakBytes), "ratio"), // biome-ignore format: one line a figure
  ];
}

function plotsOf(level: (clients: number) => readonly Round[]): Readonly<Record<string, string>> {
  const labels = CLIENTS.map((clients) => (clients === 1 ? "1 client" : `${clients} clients`));
  const plot = (title: string, unit: string, value: (measured: Measured) => number) =>
    barPlot(
      title,
      unit,
      labels,
      SIDES.map((side) => ({
        name: TITLES[side],
        values: CLIENTS.map((clients) => median(level(clients).map((round) => value(round[side])))),
      })),
    );
  return {
    services_p50: plot("One retrieval on Milvus and MongoDB's protocol, p50", "ms", ({ p50Ms }) => p50Ms),
    services_rate: plot("Retrievals on Milvus and MongoDB's protocol", "a second", ({ perSecond }) => perSecond),
    services_memory: plot("Peak memory of the answering process", "MiB", ({ peakBytes }) => peakBytes / MEBIBYTE),
  };
}
