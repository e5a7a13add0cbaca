import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { pause } from "./harness/kennel_client.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import { median } from "./harness/statistics.ts";

/** What a collection costs that nobody asks: memory while passive, and what its existence does to the others. */
export const registeredBenchmark: Benchmark = { name: "registered", title: "10,000 registered collections", run };

const AT_ONCE = 16;
/** As many as a page of the list holds, so that both pages are full. */
const FEW = 100;
const QUERIES = 400;
/** Asked before the clock runs: a process that has just started translates its code first, however many collections there are. */
const WARMING_QUERIES = 800;
const LISTS = 40;

async function run(context: BenchContext): Promise<Report> {
  const count = context.isQuick ? 200 : 10_000;
  const documents = await nplDocuments(1_000);
  const first = await context.startKennel();
  await first.call("PUT", "/v1/collections/asked", {});
  await first.ingest("asked", documents);
  await register(first, 0, FEW, context);
  const queries = loadQueries(documents, WARMING_QUERIES + QUERIES);
  const few = await measure(await restart(first, context), queries);
  const server = await restart(few.server, context);
  await register(server, FEW, count, context);
  // Both are measured in a fresh process, so that the work of registering is not counted as memory of being registered.
  const many = await measure(await restart(server, context), queries);
  const bytesEach = (many.heapBytes - few.heapBytes) / (count - FEW);
  return {
    figures: [
      atMost("heap of a passive collection", bytesEach, "bytes", 1_500),
      plain("start to ready, 100 collections", few.readyMs, "ms"),
      plain("start to ready, all collections", many.readyMs, "ms"),
      plain("a page of the list, 100 collections", few.listMs, "ms"),
      plain("a page of the list, all collections", many.listMs, "ms"),
      plain("search p50, 100 collections", few.searchMs, "ms"),
      plain("search p50, all collections", many.searchMs, "ms"),
      plain("search p50, all / 100", many.searchMs / few.searchMs, "ratio"),
    ],
    details: { count, few: withoutServer(few), many: withoutServer(many) },
  };
}

async function register(server: KennelServer, from: number, to: number, context: BenchContext): Promise<void> {
  for (let start = from; start < to; start += AT_ONCE) {
    context.progress(`registered ${start} of ${to} collections`);
    const names = Array.from({ length: Math.min(AT_ONCE, to - start) }, (_, place) => `registered_${start + place}`);
    await Promise.all(names.map((name) => server.call("PUT", `/v1/collections/${name}`, {})));
  }
}

interface Measured {
  readonly server: KennelServer;
  readonly readyMs: number;
  readonly heapBytes: number;
  readonly listMs: number;
  readonly searchMs: number;
}

async function restart(server: KennelServer, context: BenchContext): Promise<KennelServer> {
  await server.stop();
  return context.startKennel({ folder: server.folder });
}

async function measure(server: KennelServer, queries: readonly string[]): Promise<Measured> {
  const search = (query: string) => timed(() => server.call("POST", "/v1/collections/asked/search", { query }));
  const list = () => timed(() => server.call("GET", "/v1/collections?limit=100"));
  for (const query of queries.slice(0, WARMING_QUERIES)) await search(query);
  const searches: number[] = [];
  for (const query of queries.slice(WARMING_QUERIES)) searches.push(await search(query));
  const heapBytes = await leastHeapBytes(server);
  for (let time = 0; time < LISTS; time += 1) await list();
  const lists: number[] = [];
  for (let time = 0; time < LISTS; time += 1) lists.push(await list());
  return { server, readyMs: server.readyMs, heapBytes, listMs: median(lists), searchMs: median(searches) };
}

/** The least of many readings: what is left after a collection of garbage. The process's memory moves by more than is measured here. */
async function leastHeapBytes(server: KennelServer): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < 40; reading += 1) {
    least = Math.min(least, await server.metric("kennel_process_heap_used_bytes"));
    await pause(50);
  }
  return least;
}

function withoutServer({ server: _, ...rest }: Measured): Omit<Measured, "server"> {
  return rest;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
