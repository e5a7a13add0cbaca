import { type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { pause } from "./harness/kennel_client.ts";
import { findTables } from "./harness/kennel_server.ts";
import type { LoadResult } from "./harness/load.ts";
import { startSideProcess } from "./harness/side_process.ts";
import type { MemoryResult } from "./rivals/per_request.ts";

/** Memory of many queries at once, beside the same queries each of which builds its retriever. */
export const memoryBenchmark: Benchmark = { name: "memory", title: "200 concurrent queries beside a retriever built per request", run };

const QUERIES = 200;
const MEBIBYTE = 1_048_576;
const RESIDENT_BYTES = "kennel_process_resident_bytes";

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 1_000 : undefined);
  const kennel = await context.startKennel();
  context.progress("loading documents");
  await kennel.call("PUT", "/v1/collections/memory", { resident: "never" });
  await kennel.ingest("memory", documents);
  await kennel.call("POST", "/v1/collections/memory/warm");
  const queries = loadQueries(documents, context.isQuick ? 40 : QUERIES);

  context.progress("all queries at once through Kennel");
  const baseBytes = await kennel.metric(RESIDENT_BYTES);
  const load = startSideProcess(new URL("./harness/load.ts", import.meta.url));
  let peakBytes = baseBytes;
  let isRunning = true;
  const watch = (async () => {
    while (isRunning) {
      peakBytes = Math.max(peakBytes, await kennel.metric(RESIDENT_BYTES));
      await pause(20);
    }
  })();
  const bodies = queries.map((query) => JSON.stringify({ query }));
  const result = await load
    .ask<LoadResult>({
      port: kennel.port,
      path: "/v1/collections/memory/search",
      headers: { "cache-control": "no-cache" },
      bodies,
      connections: bodies.length,
      durationMs: 60_000,
      maxRequests: bodies.length,
    })
    .finally(() => load.stop());
  isRunning = false;
  await watch;

  context.progress("all queries at once, each building its own");
  const tables = await findTables(kennel.folder, "memory");
  await kennel.stop();
  const rival = startSideProcess(new URL("./rivals/per_request.ts", import.meta.url));
  const built = await rival
    .ask<MemoryResult>({ directory: tables.directory, index: { collection: "memory", version: tables.version }, queries })
    .finally(() => rival.stop());
  const kennelGrowth = peakBytes - baseBytes;
  const builtGrowth = built.peakBytes - built.baseBytes;
  return {
    figures: [
      plain("Kennel, before", baseBytes / MEBIBYTE, "MiB"),
      plain("Kennel, growth at its peak", kennelGrowth / MEBIBYTE, "MiB"),
      plain("built per request, growth at its peak", builtGrowth / MEBIBYTE, "MiB"),
      plain("Kennel, slowest of a hundred", result.p99Ms, "ms"),
      plain("built per request, all queries", built.elapsedMs, "ms"),
      plain("whole process at its peak, built per request / Kennel", built.peakBytes / peakBytes, "ratio"),
    ],
    details: { queries: queries.length, kennel: { baseBytes, peakBytes, result }, built },
  };
}
