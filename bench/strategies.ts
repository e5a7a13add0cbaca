import type { JudgedQuery } from "../bridge/cli/judged_queries.ts";
import { atLeast, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { nplDocuments } from "./harness/corpus.ts";
import { judgedNdcg, nplQueries } from "./harness/judged.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import { startRecordedWriter } from "./harness/recorded_writer.ts";
import { measureCosts } from "./strategies_costs.ts";

/** What every strategy finds on NPL over HTTP, and what the pipeline adds to its searches. */
export const strategiesBenchmark: Benchmark = {
  name: "strategies",
  title: "Strategies on NPL with the built-in model, and the pipeline's own work",
  run,
};

const ENSEMBLE = [{ strategy: "multi_query" }, { strategy: "hyde" }];
/** By strategy, the ones that it is made of or stands beside. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  vector: [],
  bm25: [],
  hybrid: ["vector", "bm25"],
  parent_document: ["hybrid"],
  multi_query: ["hybrid"],
  hyde: ["hybrid"],
  ensemble: ["multi_query", "hyde"],
};
const MIN_HYBRID = 0.445;
/** How much worse than the better of its parts a strategy may be. */
const MAX_LOSS = 0.01;
const QUICK_QUERIES = 15;

async function run(context: BenchContext): Promise<Report> {
  const judged = await nplQueries(context.isQuick ? QUICK_QUERIES : undefined);
  const writer = await startRecordedWriter(judged);
  try {
    const kennel = await context.startKennel({
      environment: { KENNEL_CHAT: "openai:recorded", OPENAI_BASE_URL: writer.url, OPENAI_API_KEY: "none" },
    });
    context.progress("loading");
    await kennel.call("PUT", "/v1/collections/npl", { resident: "always" });
    await kennel.ingest("npl", await nplDocuments(context.isQuick ? 3_000 : undefined));
    await kennel.resident("npl");
    const quality = await qualityFigures(kennel, judged, context);
    context.progress("timing the pipeline");
    const costs = await measureCosts(context.isQuick);
    return {
      figures: [...quality, ...costs],
      notes: [
        "multi_query and hyde are given what a large language model wrote for the judged queries from their texts alone (bench/data), so that the figures are the same every time; ensemble is multi_query and hyde in equal shares.",
        "Own work: the whole pipeline in process over an index that has its candidates at hand, two lists of 100 of which half are in both, 10 hits written.",
        "The ratio: an index each of whose calls takes 20 ms, a language model that answers at once, four further questions; both sides in turns.",
      ],
      details: { queries: judged.length },
    };
  } finally {
    await writer.stop();
  }
}

async function qualityFigures(kennel: KennelServer, judged: readonly JudgedQuery[], context: BenchContext): Promise<readonly Figure[]> {
  const found = new Map<string, number>();
  for (const strategy of Object.keys(PARTS)) {
    context.progress(`judging ${strategy}`);
    const body = { strategy, ...(strategy === "ensemble" ? { strategies: ENSEMBLE } : {}) };
    found.set(strategy, await judgedNdcg(kennel, "npl", judged, body));
  }
  return [...found].flatMap(([strategy, value]): Figure[] => {
    const name = `${strategy}: nDCG@10`;
    const best = Math.max(...(PARTS[strategy] ?? []).map((part) => found.get(part) ?? 0));
    return [
      strategy === "hybrid" ? atLeast(name, value, "", MIN_HYBRID) : plain(name, value, ""),
      ...(best > 0 ? [atLeast(`${strategy}: nDCG@10 beyond the better of its parts`, value - best, "", -MAX_LOSS)] : []),
    ];
  });
}
