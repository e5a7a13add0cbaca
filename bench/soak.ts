import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { type BenchDocument, loadQueries, nplDocuments } from "./harness/corpus.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import { type MixedCommand, type MixedRequest, type MixedResult, searchRequests } from "./harness/mixed_load.ts";
import { linePlot } from "./harness/plot.ts";
import { startSideProcess } from "./harness/side_process.ts";
import { slope } from "./harness/statistics.ts";

/**
 * Mixed load for long: searches of all strategies over memory, past the result cache and through it, some over the store,
 * documents written, replaced and deleted, and requests that must be refused.
 */
export const soakBenchmark: Benchmark = { name: "soak", title: "Mixed load until the requests or the time given are over", run };

const MEBIBYTE = 1_048_576;
const CONNECTIONS = 16;
const STRATEGIES = ["hybrid", "vector", "bm25", "parent_document"] as const;
const [RESIDENT, STORE] = ["soak_resident", "soak_store"] as const;
const KIND_COUNT = 1_000;
/** Of a thousand requests; the rest goes over memory past the result cache, a quarter to each strategy. */
const CACHED = 450;
const OVER_STORE = 5;
const WRITES = 2;
const DELETIONS = 1;
const BAD = 20;
/** So few that they are all in the result cache. */
const REPEATED_QUERIES = 50;
const QUERIES = 400;
const MIN_READINGS = 9;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 500 : 5_000);
  const kennel = await context.startKennel();
  for (const [name, resident] of [
    [RESIDENT, "auto"],
    [STORE, "never"],
  ] as const) {
    context.progress(`loading ${name}`);
    await kennel.call("PUT", `/v1/collections/${name}`, { resident, attributes: { origin: "string" } });
    await kennel.ingest(name, documents);
  }
  await kennel.resident(RESIDENT);
  const load = startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url));
  const requests = mixOf(documents);
  const limitMs = (context.isQuick ? 5 : context.soakSeconds) * 1_000;
  const maxRequests = context.isQuick ? 5_000 : context.soakRequests;
  const startMs = performance.now();
  const rounds: MixedResult[] = [];
  const readings: Reading[] = [];
  let sent = 0;
  try {
    while (performance.now() - startMs < limitMs && sent < maxRequests && !context.signal.aborted) {
      const result = await load.ask<MixedResult>({
        port: kennel.port,
        requests,
        connections: CONNECTIONS,
        durationMs: context.isQuick ? 500 : 5_000,
        maxRequests: maxRequests - sent,
        perSecond: 0,
        keepsSamples: false,
      } satisfies MixedCommand);
      rounds.push(result);
      sent += result.requests;
      readings.push(await readMemory(kennel));
      context.progress(`${sent} requests, ${readings.at(-1)?.process.toFixed(0)} MiB`);
    }
  } finally {
    await load.stop();
  }
  return report(rounds, readings, performance.now() - startMs, context);
}

/** A thousand requests at a time, the kinds shuffled among one another, no two searches past the cache alike for long. */
function mixOf(documents: readonly BenchDocument[]): readonly MixedRequest[] {
  const queries = loadQueries(documents, QUERIES * STRATEGIES.length);
  const overMemory = STRATEGIES.map((strategy, place) =>
    searchRequests(RESIDENT, queries.slice(place * QUERIES, (place + 1) * QUERIES), { strategy }, ['"mode":"full"']),
  );
  const cached = searchRequests(RESIDENT, queries.slice(0, REPEATED_QUERIES)).map((request) => ({
    ...request,
    kind: "cached",
    headers: {},
  }));
  const overStore = searchRequests(STORE, queries).map((request) => ({ ...request, kind: "store" }));
  const [writes, deletions, bad] = [writesOf(documents), deletionsOf(), badRequests()];
  const requests: MixedRequest[] = [];
  for (let number = 0; number < KIND_COUNT; number += 1) {
    // 387 has no factor in common with 1,000, so every place is taken once and neighbours are of different kinds.
    const place = (number * 387) % KIND_COUNT;
    requests.push(pick(place, number, [[CACHED, cached], [OVER_STORE, overStore], [WRITES, writes], [DELETIONS, deletions], [BAD, bad]], overMemory)); // biome-ignore format: one call
  }
  return requests;
}

function pick(
  place: number,
  number: number,
  kinds: readonly (readonly [count: number, requests: readonly MixedRequest[]])[],
  others: readonly (readonly MixedRequest[])[],
): MixedRequest {
  let from = 0;
  for (const [count, requests] of kinds) {
    if (place < from + count) return requests[(place - from) % requests.length] as MixedRequest;
    from += count;
  }
  const strategy = others[number % others.length] ?? [];
  return strategy[Math.floor(number / others.length) % strategy.length] as MixedRequest;
}

/** Documents that come for a while: `deletionsOf` takes them away together. */
function writesOf(documents: readonly BenchDocument[]): readonly MixedRequest[] {
  return [RESIDENT, STORE].map((collection, place) => {
    const document = { id: `soak-{turn}`, text: `${documents[place]?.text} revision {turn}`, attributes: { origin: "soak" } };
    const body = JSON.stringify({ documents: [document] });
    return { kind: "write", method: "POST", path: `/v1/collections/${collection}/documents`, headers: {}, body, status: 202, contains: [] };
  });
}

function deletionsOf(): readonly MixedRequest[] {
  const body = JSON.stringify({ filters: { type: "eq", key: "origin", value: "soak" } });
  return [RESIDENT, STORE].map((collection) => ({
    kind: "delete",
    method: "DELETE",
    path: `/v1/collections/${collection}/documents`,
    headers: {},
    body,
    status: 200,
    contains: ["deleted"],
  }));
}

/** What a client gets wrong, each with the answer that it must get. */
function badRequests(): readonly MixedRequest[] {
  const search = `/v1/collections/${RESIDENT}/search`;
  const bad = (path: string, body: string, status: number, code: string, headers: Readonly<Record<string, string>> = {}): MixedRequest => ({
    kind: "bad",
    method: "POST",
    path,
    headers,
    body,
    status,
    contains: [`"code":"${code}"`],
  });
  return [
    bad(search, '{"query":', 400, "invalid_request"),
    bad(search, '{"query":"","strategy":"bm25"}', 400, "invalid_request"),
    bad(search, '{"query":"water","top_k":0}', 400, "invalid_request"),
    bad(search, '{"query":"water","colour":"blue {turn}"}', 400, "invalid_request"),
    bad(search, '{"query":"water","filters":{"type":"eq","key":"unknown{turn}","value":1}}', 400, "invalid_request"),
    bad("/v1/collections/missing/search", '{"query":"water {turn}"}', 404, "not_found"),
    bad("/v1/nowhere", "{}", 404, "not_found"),
    bad(search, "query=water", 415, "unsupported_media_type", { "content-type": "application/xml" }),
  ];
}

/** In MiB. */
interface Reading {
  readonly process: number;
  readonly heap: number;
}

async function readMemory(kennel: KennelServer): Promise<Reading> {
  const [process, heap] = [await kennel.metric("kennel_process_resident_bytes"), await kennel.metric("kennel_process_heap_used_bytes")];
  return { process: process / MEBIBYTE, heap: heap / MEBIBYTE };
}

function report(rounds: readonly MixedResult[], readings: readonly Reading[], elapsedMs: number, context: BenchContext): Report {
  const requests = rounds.reduce((sum, round) => sum + round.requests, 0);
  const faults = new Map<string, number>();
  for (const { faults: own } of rounds)
    for (const [fault, count] of Object.entries(own)) faults.set(fault, (faults.get(fault) ?? 0) + count);
  const kinds = new Map<string, number>();
  for (const round of rounds) for (const [kind, own] of Object.entries(round.kinds)) kinds.set(kind, (kinds.get(kind) ?? 0) + own.requests);
  const process = readings.map((reading) => reading.process);
  const heap = readings.map((reading) => reading.heap);
  const [settledProcess, settledHeap] = [process, heap].map((values) => values.slice(Math.floor(values.length / 3))) as [
    number[],
    number[],
  ]; // caches fill at first
  const isLong = !context.isQuick && readings.length >= MIN_READINGS;
  const flat = (name: string, settled: readonly number[]) => (isLong ? [atMost(name, growthRatio(settled), "ratio", 0.05)] : []);
  return {
    figures: [
      plain("requests", requests, "requests"),
      ...[...kinds].map(([kind, count]) => plain(`of them: ${kind}`, count, "requests")),
      atMost("answers that were not what they must be", [...faults.values()].reduce((sum, count) => sum + count, 0), "requests", 0), // biome-ignore format: one figure
      plain("time", elapsedMs / 60_000, "min"),
      plain("requests a second", (requests * 1_000) / elapsedMs, "req/s"),
      plain("memory of the process, after a third", settledProcess[0] ?? Number.NaN, "MiB"),
      plain("memory of the process, at the end", settledProcess.at(-1) ?? Number.NaN, "MiB"),
      plain("heap, after a third", settledHeap[0] ?? Number.NaN, "MiB"),
      plain("heap, at the end", settledHeap.at(-1) ?? Number.NaN, "MiB"),
      plain("process, growth a request after a third, by least squares", (slope(settledProcess) * readings.length * MEBIBYTE) / requests, "bytes"), // biome-ignore format: one figure
      plain("heap, growth a request after a third, by least squares", (slope(settledHeap) * readings.length * MEBIBYTE) / requests, "bytes"), // biome-ignore format: one figure
      ...flat("process, growth over the last two thirds / their mean", settledProcess),
      ...flat("heap, growth over the last two thirds / their mean", settledHeap),
    ],
    notes: [
      "Of a thousand requests 450 go through the result cache, 522 over memory past it with each strategy in turn, 5 over the store, 2 write, 1 deletes and 20 must be refused; each answer is checked.",
    ],
    details: { requests, faults: Object.fromEntries(faults), firstFault: rounds.find(({ firstFault }) => firstFault !== "")?.firstFault ?? null, readings }, // biome-ignore format: one object
    plots: {
      soak: linePlot("Memory under mixed load", "MiB by round", [
        { name: "process", values: process },
        { name: "JavaScript heap", values: heap },
      ]),
    },
  };
}

/** Growth over all of the values by least squares, as a share of their mean. */
function growthRatio(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return (slope(values) * (values.length - 1)) / mean;
}
