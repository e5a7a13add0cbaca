import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import type { LoadCommand, LoadResult } from "./harness/load.ts";
import { linePlot } from "./harness/plot.ts";
import { startSideProcess } from "./harness/side_process.ts";
import { slope } from "./harness/statistics.ts";

/** Mixed load for long: searches on both paths, past the cache and through it, while documents are replaced. */
export const soakBenchmark: Benchmark = { name: "soak", title: "Mixed load until 500,000 requests, or the time given", run };

const MAX_REQUESTS = 500_000;
const MEBIBYTE = 1_048_576;
const DOCUMENTS_PER_ROUND = 50;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 500 : 5_000);
  const kennel = await context.startKennel();
  for (const [name, resident] of [
    ["soak_store", "never"],
    ["soak_resident", "auto"],
  ] as const) {
    context.progress(`loading ${name}`);
    await kennel.call("PUT", `/v1/collections/${name}`, { resident });
    await kennel.ingest(name, documents);
  }
  const load = startSideProcess(new URL("./harness/load.ts", import.meta.url));
  const bodies = loadQueries(documents, 3_000).map((query) => JSON.stringify({ query }));
  const turns: readonly Partial<LoadCommand>[] = [
    { path: "/v1/collections/soak_resident/search", headers: {} },
    { path: "/v1/collections/soak_store/search", headers: { "cache-control": "no-cache" } },
    { path: "/v1/collections/soak_resident/search", headers: { "cache-control": "no-cache" } },
  ];
  const limitMs = (context.isQuick ? 5 : context.soakSeconds) * 1_000;
  const startMs = performance.now();
  const memory: number[] = [];
  let requests = 0;
  let failures = 0;
  try {
    for (let round = 0; performance.now() - startMs < limitMs && requests < MAX_REQUESTS; round += 1) {
      const from = (round * DOCUMENTS_PER_ROUND) % documents.length;
      const changed = documents.slice(from, from + DOCUMENTS_PER_ROUND).map(({ id, text }) => ({ id, text: `${text} revision ${round}` }));
      const writing = kennel.ingest(round % 2 === 0 ? "soak_store" : "soak_resident", changed);
      const result = await load.ask<LoadResult>({
        port: kennel.port,
        bodies,
        connections: 16,
        durationMs: context.isQuick ? 500 : 2_000,
        maxRequests: MAX_REQUESTS - requests,
        ...turns[round % turns.length],
      });
      await writing;
      requests += result.requests;
      failures += result.failures;
      memory.push((await kennel.metric("kennel_process_resident_bytes")) / MEBIBYTE);
      context.progress(`${requests} requests, ${failures} failed, ${memory.at(-1)?.toFixed(0)} MiB`);
    }
  } finally {
    await load.stop();
  }
  const settled = memory.slice(Math.floor(memory.length / 3)); // caches fill at first
  const hours = (performance.now() - startMs) / 3_600_000;
  const perRequest = (slope(settled) * memory.length * MEBIBYTE) / requests;
  return {
    figures: [
      plain("requests", requests, "requests"),
      atMost("failures", failures, "requests", 0),
      plain("time", hours, "h"),
      plain("memory, after a third", settled[0] ?? Number.NaN, "MiB"),
      plain("memory, at the end", settled.at(-1) ?? Number.NaN, "MiB"),
      plain("growth a request after a third, by least squares", perRequest, "bytes"),
      ...(context.isQuick ? [] : [atMost("growth over the last two thirds / their mean", growthRatio(settled), "ratio", 0.05)]),
    ],
    details: { requests, failures, memory },
    plots: { soak: linePlot("Memory under mixed load", "MiB by round", [{ name: "Kennel", values: memory }]) },
  };
}

function growthRatio(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return (slope(values) * (values.length - 1)) / mean;
}
