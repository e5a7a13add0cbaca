import { atLeast, atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { pause } from "./harness/kennel_client.ts";
import type { LoadCommand, LoadResult } from "./harness/load.ts";
import { startSideProcess } from "./harness/side_process.ts";

/** How fast documents become searchable, and what searches on another collection feel of it. */
export const ingestBenchmark: Benchmark = { name: "ingest", title: "Ingest, and searches on another collection meanwhile", run };

const SEARCHED = "quiet";
const CONNECTIONS = 4;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 2_000 : undefined);
  const kennel = await context.startKennel();
  const load = startSideProcess(new URL("./harness/load.ts", import.meta.url));
  try {
    context.progress("loading the collection that is searched");
    for (const name of [SEARCHED, "alone", "beside"]) await kennel.call("PUT", `/v1/collections/${name}`, {});
    await kennel.ingest(SEARCHED, documents);
    const search: LoadCommand = {
      port: kennel.port,
      path: `/v1/collections/${SEARCHED}/search`,
      headers: { "cache-control": "no-cache" },
      bodies: loadQueries(documents, 2_000).map((query) => JSON.stringify({ query })),
      connections: CONNECTIONS,
      durationMs: context.isQuick ? 1_000 : 5_000,
      maxRequests: Number.MAX_SAFE_INTEGER,
    };
    await load.ask({ ...search, durationMs: 1_000 });
    context.progress("searching while nothing else runs");
    const quiet = await load.ask<LoadResult>(search);

    context.progress("ingesting while nothing else runs");
    const alone = await timed(kennel.ingest("alone", documents));

    context.progress("ingesting while the other collection is searched");
    // The load outlasts the ingest; its own end would leave part of the ingest unobserved.
    const durationMs = Math.ceil(alone * 2) + 1_000;
    const searches = load.ask<LoadResult>({ ...search, durationMs });
    const lags: number[] = [];
    let isLoading = true;
    const watch = (async () => {
      while (isLoading) {
        lags.push((await kennel.metric('kennel_event_loop_lag_seconds{quantile="0.99"')) * 1_000);
        await pause(500);
      }
    })();
    const beside = await timed(kennel.ingest("beside", documents));
    isLoading = false;
    await watch;
    const busy = await searches;
    return {
      figures: [
        atLeast("documents a second, nothing else running", (documents.length * 1_000) / alone, "docs/s", 2_000),
        plain("documents a second, searches running", (documents.length * 1_000) / beside, "docs/s"),
        plain("search p99, quiet", quiet.p99Ms, "ms"),
        plain("search p99, ingest running", busy.p99Ms, "ms"),
        atMost("search p99, ingest running / quiet", busy.p99Ms / quiet.p99Ms, "ratio", 3),
        atMost("event-loop lag p99, worst seen", Math.max(...lags), "ms", 50),
      ],
      details: { documents: documents.length, aloneMs: alone, besideMs: beside, quiet, busy, lags },
    };
  } finally {
    await load.stop();
  }
}

async function timed(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work;
  return performance.now() - startMs;
}
