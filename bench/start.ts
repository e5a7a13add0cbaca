import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { median, quantile } from "./harness/statistics.ts";

/** From the command to ready with collections on disk, and the first query of a collection that is not warm. */
export const startBenchmark: Benchmark = { name: "start", title: "Cold start with 20 collections, first query of a cold one", run };

const COLLECTIONS = 20;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 300 : 2_000);
  const names = Array.from({ length: COLLECTIONS }, (_, place) => `start_${place}`);
  const first = await context.startKennel();
  for (const name of names) {
    context.progress(`loading ${name}`);
    await first.call("PUT", `/v1/collections/${name}`, { resident: "never" });
    await first.ingest(name, documents);
  }
  await first.stop();

  const [query = "", ...queries] = loadQueries(documents, context.isQuick ? 50 : 300);
  const readyMs: number[] = [];
  const coldMs: number[] = [];
  const warmMs: number[] = [];
  for (let round = 0; round < (context.isQuick ? 2 : 5); round += 1) {
    context.progress(`start ${round + 1}`);
    // Nothing is warmed at start, so that the first query of each collection is a cold one.
    const server = await context.startKennel({ folder: first.folder, environment: { KENNEL_RETRIEVER_WARM_COLLECTIONS: "0" } });
    readyMs.push(server.readyMs);
    const ask = async (name: string, text: string) => {
      const startMs = performance.now();
      await server.call("POST", `/v1/collections/${name}/search`, { query: text });
      return performance.now() - startMs;
    };
    await ask(names[0] as string, query); // the process itself is warm after it
    for (const name of names.slice(1, 11)) coldMs.push(await ask(name, query));
    for (const text of queries) warmMs.push(await ask(names[0] as string, text));
    await server.stop();
  }
  return {
    figures: [
      atMost("start to ready with 20 collections", median(readyMs), "ms", 1_500),
      plain("first query of a cold collection, median", median(coldMs), "ms"),
      plain("warm query p99", quantile(warmMs, 0.99), "ms"),
      // The opening of the tables is part of the first query; the bound allows it on top, so this is the stricter form.
      atMost("first query of a cold collection, opening included / warm p99", median(coldMs) / quantile(warmMs, 0.99), "ratio", 3),
    ],
    details: { readyMs, coldMs, warmMs },
  };
}
