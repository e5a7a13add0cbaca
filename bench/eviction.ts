import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Random, seededRandom } from "../runtime/random.ts";
import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { cloneCollection } from "./harness/cloned_collections.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { classify, type Lives, livesOf, type Weighed } from "./harness/evictions.ts";
import { type HostedKennel, startHostedKennel } from "./harness/hosted.ts";
import { type KennelClient, pause } from "./harness/kennel_client.ts";
import { type MixedCommand, type MixedRequest, type MixedResult, searchRequests } from "./harness/mixed_load.ts";
import { linePlot } from "./harness/plot.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { quantile } from "./harness/statistics.ts";
import { residentBytes } from "./rivals/per_request.ts";

/**
 * More collections than memory has room for, asked by Zipf's law on one node that may hold half of them. First searches
 * alone, then searches while documents are written, so that a collection that has to go must save what it holds first.
 */
export const evictionBenchmark: Benchmark = { name: "eviction", title: "Collections by Zipf's law, memory for half of them", run };

interface Size {
  readonly collections: number;
  readonly chunks: number;
  readonly readMs: number;
  readonly writeMs: number;
}

const FULL: Size = { collections: 200, chunks: 10_000, readMs: 60_000, writeMs: 30_000 };
const QUICK: Size = { collections: 20, chunks: 500, readMs: 4_000, writeMs: 3_000 };
const TEMPLATE = "zipf";
const ZIPF_EXPONENT = 1;
const PLANNED_REQUESTS = 30_000;
const QUERIES = 500;
/** So many that a hit finds one while reloads are waited for. */
const CONNECTIONS = 64;
/** A fraction of what one core answers of hits: queues belong to another benchmark. */
const PER_SECOND = 50;
const WRITE_PAUSE_MS = 500;
const SAMPLE_PAUSE_MS = 250;
const MEBIBYTE = 1_048_576;

async function run(context: BenchContext): Promise<Report> {
  const size = context.isQuick ? QUICK : FULL;
  const documents = await nplDocuments(size.chunks);
  const folder = join(context.workFolder, "eviction");
  await mkdir(folder, { recursive: true });
  context.progress("making the collection that all are copies of");
  const maker = await startHostedKennel(folder);
  await maker.call("PUT", `/v1/collections/${TEMPLATE}`, {});
  await maker.ingest(TEMPLATE, documents);
  await maker.resident(TEMPLATE);
  const bytesEach = await maker.metric("kennel_retriever_bytes");
  await maker.stop(); // saves the snapshot
  const names = Array.from({ length: size.collections - 1 }, (_, place) => `${TEMPLATE}_${place + 1}`);
  context.progress(`copying it ${names.length} times`);
  await cloneCollection(folder, TEMPLATE, names);
  const budgetBytes = Math.ceil((bytesEach * size.collections) / 2);
  const kennel = await startHostedKennel(folder, {
    KENNEL_RETRIEVER_MAX_BYTES: String(budgetBytes),
    KENNEL_RETRIEVER_WARM_COLLECTIONS: "0",
    KENNEL_RETRIEVER_MAX_ACTIVE: String(size.collections),
  });
  const load = startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url));
  try {
    return await measure({ kennel, load, size, budgetBytes, bytesEach, collections: [TEMPLATE, ...names] }, documents, context);
  } finally {
    await load.stop();
    await kennel.stop();
  }
}

interface Stage {
  readonly kennel: HostedKennel;
  readonly load: SideProcess;
  readonly size: Size;
  readonly budgetBytes: number;
  readonly bytesEach: number;
  /** The most asked first. */
  readonly collections: readonly string[];
}

interface Phase {
  readonly writes: number;
  /** Answered with anything but 202. */
  readonly refusedWrites: number;
  readonly result: MixedResult;
  readonly lives: Lives;
  readonly weighed: Weighed;
}

async function measure(stage: Stage, documents: Awaited<ReturnType<typeof nplDocuments>>, context: BenchContext): Promise<Report> {
  const { kennel, size, budgetBytes, bytesEach, collections } = stage;
  const requests = zipfRequests(collections, loadQueries(documents, QUERIES));
  const memory = watchMemory(kennel, budgetBytes);
  context.progress("filling the memory");
  await searchFor(stage, requests, size.readMs / 3);
  await kennel.notes();
  context.progress("searches alone");
  const reading = await phase(stage, requests, size.readMs, null);
  context.progress("searches while documents are written");
  const writing = await phase(stage, requests, size.writeMs, (number) => {
    const collection = collections[number % Math.ceil(collections.length / 2)] as string;
    const documents = [{ id: `written-${number}`, text: `written to ${collection} as number ${number}` }];
    return kennel.statusOf("POST", `/v1/collections/${collection}/documents`, { documents });
  });
  const seen = await memory.end();
  return {
    figures: [
      plain("collections", size.collections, "collections"),
      plain("chunks of each", size.chunks, "chunks"),
      plain("memory of each", bytesEach / MEBIBYTE, "MiB"),
      plain("memory for all of them", budgetBytes / MEBIBYTE, "MiB"),
      ...phaseFigures("searches alone", reading, size.readMs),
      ...phaseFigures("documents written meanwhile", writing, size.writeMs),
      plain("most bytes held by indexes", Math.max(...seen.index), "MiB"),
      atMost("most bytes held by indexes / memory for all of them", Math.max(...seen.index) / (budgetBytes / MEBIBYTE), "ratio", 1.05),
      plain("most memory of the process", Math.max(...seen.process), "MiB"),
    ],
    notes: [
      "One collection is ingested; the others are copies of its record, of its snapshot, and links to its LanceDB table. Their documents are not copied, as no search over memory reads them.",
      "Requests come at a fixed rate, drawn by Zipf's law. Whether one met its collection in memory, being loaded or leaving is told by the supervisor's events.",
    ],
    details: { size, bytesEach, budgetBytes, reading: summary(reading), writing: summary(writing), memory: seen },
    plots: {
      eviction_memory: linePlot("Memory while collections come and go", `MiB, a point each ${SAMPLE_PAUSE_MS} ms`, [
        { name: "process", values: seen.process },
        { name: "memory allowed to indexes", values: seen.index.map(() => budgetBytes / MEBIBYTE) },
        { name: "indexes, as counted", values: seen.index },
      ]),
    },
  };
}

/** Requests drawn by Zipf's law: the n-th collection is asked 1/n as often as the first. The same every time. */
function zipfRequests(collections: readonly string[], queries: readonly string[]): MixedRequest[] {
  const random = seededRandom(29);
  const shares = collections.map((_, place) => 1 / (place + 1) ** ZIPF_EXPONENT);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const draw = (): number => {
    let left = random.next() * total;
    const place = shares.findIndex((share) => {
      left -= share;
      return left < 0;
    });
    return Math.max(0, place);
  };
  const pick = <Item>(items: readonly Item[], source: Random) => items[Math.floor(source.next() * items.length)] as Item;
  return Array.from({ length: PLANNED_REQUESTS }, () => {
    const collection = collections[draw()] as string;
    const [request] = searchRequests(collection, [pick(queries, random)], {}, ['"mode":"full"', '"index":"resident"']);
    return { ...(request as MixedRequest), kind: collection };
  });
}

function searchFor({ kennel, load }: Stage, requests: readonly MixedRequest[], durationMs: number): Promise<MixedResult> {
  return load.ask<MixedResult>({
    port: kennel.port,
    requests,
    connections: CONNECTIONS,
    durationMs,
    maxRequests: Number.MAX_SAFE_INTEGER,
    perSecond: PER_SECOND,
    keepsSamples: true,
  } satisfies MixedCommand);
}

async function phase(
  stage: Stage,
  requests: readonly MixedRequest[],
  durationMs: number,
  write: ((number: number) => Promise<number>) | null,
): Promise<Phase> {
  let isSearching = true;
  const searching = searchFor(stage, requests, durationMs).finally(() => {
    isSearching = false;
  });
  let [writes, refusedWrites] = [0, 0];
  for (let number = 0; isSearching && write !== null; number += 1) {
    writes += 1;
    if ((await write(number)) !== 202) refusedWrites += 1;
    await Promise.race([pause(WRITE_PAUSE_MS), searching]);
  }
  const result = await searching;
  const lives = livesOf((await stage.kennel.notes()).events);
  const asked = result.samples.map(({ request, ...sample }) => ({ ...sample, collection: requests[request]?.kind ?? "" }));
  return { result: { ...result, samples: [] }, writes, refusedWrites, lives, weighed: classify(asked, lives) };
}

function phaseFigures(label: string, { result, writes, refusedWrites, lives, weighed }: Phase, durationMs: number) {
  const { hits, beside, without, reloads, reloadsBeside, reloadsWithout, ownEviction, withinAnEviction } = weighed;
  const failed = Object.entries(result.faults).reduce((sum, [fault, count]) => sum + (fault.startsWith("status") ? count : 0), 0);
  const notFromMemory = Object.values(result.faults).reduce((sum, count) => sum + count, 0) - failed;
  const evictionMs = lives.evictions.map((eviction) => eviction.durationMs);
  const say = (what: string) => `${label}: ${what}`;
  const times = (what: string, values: readonly number[]) => [
    plain(say(`${what} p50`), quantile(values, 0.5), "ms"),
    plain(say(`${what} p99`), quantile(values, 0.99), "ms"),
  ];
  return [
    plain(say("searches"), result.requests, "searches"),
    atMost(say("failed"), failed, "searches", 0),
    ...(writes === 0 ? [] : [plain(say("writes"), writes, "writes"), atMost(say("writes not accepted"), refusedWrites, "writes", 0)]),
    plain(say("answered by the store meanwhile"), notFromMemory, "searches"),
    plain(say("hit rate"), hits.length / result.requests, "ratio"),
    plain(say("evictions"), evictionMs.length, "evictions"),
    plain(say("reloads"), lives.loads.length, "reloads"),
    plain(say("evictions a second"), (evictionMs.length * 1_000) / durationMs, "/s"),
    ...times("hit", hits),
    ...times("search that a reload answers", reloads),
    ...times("eviction", evictionMs),
    ...times("hit while no other collection was leaving", without),
    ...times("hit while one was", beside),
    ...times("reload while no other collection was leaving", reloadsWithout),
    ...times("reload while one was", reloadsBeside),
    plain(say("searches sent and answered while another collection was leaving"), withinAnEviction, "searches"),
    atMost(say("searches that met their own collection leaving"), ownEviction.length, "searches", 0),
    ...(ownEviction.length > 0 ? times("such a search", ownEviction) : []),
  ];
}

function summary({ result, lives, weighed }: Phase) {
  const { hits, reloads, ownEviction } = weighed;
  const [evictionMs, loadMs] = [lives.evictions, lives.loads].map((spans) => spans.map((span) => span.durationMs));
  return { result, hits: hits.length, reloads, ownEviction, evictionMs, loadMs };
}

/** Samples until `end`: bytes of the process and of all indexes, in MiB. */
function watchMemory(kennel: KennelClient & { readonly pid: number }, budgetBytes: number) {
  const seen: { process: number[]; index: number[]; budget: number } = { process: [], index: [], budget: budgetBytes / MEBIBYTE };
  let isWatching = true;
  const watching = (async () => {
    while (isWatching) {
      seen.process.push((await residentBytes(kennel.pid)) / MEBIBYTE);
      seen.index.push((await kennel.metric("kennel_retriever_bytes")) / MEBIBYTE);
      await pause(SAMPLE_PAUSE_MS);
    }
  })();
  return {
    async end() {
      isWatching = false;
      await watching;
      return seen;
    },
  };
}
