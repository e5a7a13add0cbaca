import { fileURLToPath } from "node:url";
import { loadStaticModel } from "../actors/embedding/static/static_model.ts";
import { ndcg } from "../actors/retriever/evaluation/metrics.ts";
import { weightedFusion } from "../actors/retriever/fusion/weighted.ts";
import { loadAnalyzer } from "../actors/retriever/index/resident/analyzer.ts";
import { type JudgedQuery, readJudgedQueries } from "../bridge/cli/judged_queries.ts";
import { atLeast, atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { nplDocuments } from "./harness/corpus.ts";
import { ExactBm25, exactNearest, recall, type Scored } from "./harness/exact.ts";
import type { KennelServer } from "./harness/kennel_server.ts";
import { barPlot } from "./harness/plot.ts";

/** What each strategy finds on NPL from memory and from the store, over HTTP, beside the exact computation in floats. */
export const qualityBenchmark: Benchmark = {
  name: "quality",
  title: "Ranking from memory and from the store beside exact floats, on NPL",
  run,
};

const STRATEGIES = ["vector", "bm25", "hybrid", "parent_document"] as const;
type Strategy = (typeof STRATEGIES)[number];
const PATHS = ["memory", "store"] as const;
type Path = (typeof PATHS)[number];

const DEPTH = 100;
const ALPHA = 0.3;
const MAX_DIFFERENCE = 0.003;
const MIN_RECALL = 0.99;
/** The few analysed queries of the quick run: all documents are needed, or nothing is relevant. */
const QUICK_QUERIES = 15;
const [QUERIES_FILE, JUDGEMENTS_FILE] = ["queries.jsonl", "qrels.tsv"].map((file) =>
  fileURLToPath(new URL(`../test/data/npl/${file}`, import.meta.url)),
) as [string, string];

type Rankings = Readonly<Record<Strategy, readonly (readonly string[])[]>>;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 3_000 : undefined);
  const judged = (await readJudgedQueries(QUERIES_FILE, JUDGEMENTS_FILE)).slice(0, context.isQuick ? QUICK_QUERIES : undefined);
  const kennel = await context.startKennel();
  for (const path of PATHS) {
    context.progress(`loading what is answered from the ${path}`);
    await kennel.call("PUT", `/v1/collections/${path}`, { resident: path === "memory" ? "always" : "never" });
    await kennel.ingest(path, documents);
  }
  await kennel.resident("memory");
  context.progress("searching");
  const found: Record<Path, Rankings> = {
    memory: await rankings(kennel, "memory", judged),
    store: await rankings(kennel, "store", judged),
  };
  context.progress("computing exactly");
  const exact = await exactRankings(documents, judged);
  return report(judged, found, exact, context);
}

async function rankings(kennel: KennelServer, collection: string, judged: readonly JudgedQuery[]): Promise<Rankings> {
  const lists: Record<Strategy, string[][]> = { vector: [], bm25: [], hybrid: [], parent_document: [] };
  for (const strategy of STRATEGIES) {
    for (const { text } of judged) {
      const body = { query: text, strategy, top_k: DEPTH, candidate_k: DEPTH, include: [] };
      const { data } = await kennel.call<{ data: readonly { document_id: string }[] }>(
        "POST",
        `/v1/collections/${collection}/search`,
        body,
      );
      lists[strategy].push(data.map(({ document_id }) => document_id));
    }
  }
  return lists;
}

async function exactRankings(documents: Awaited<ReturnType<typeof nplDocuments>>, judged: readonly JudgedQuery[]): Promise<Rankings> {
  const model = await loadStaticModel();
  const bm25 = new ExactBm25(documents, await loadAnalyzer("english"));
  const vectors = documents.map(({ text }) => model.embedSync(text));
  const idsOf = (list: readonly Scored[]) => list.map(({ id }) => id);
  const lists = judged.map(({ text }) => {
    const query = model.embedSync(text);
    const dense = query === null ? [] : exactNearest(documents, vectors, query, DEPTH);
    const lexical = bm25.search(text, DEPTH);
    return { vector: idsOf(dense), bm25: idsOf(lexical), hybrid: fuse(dense, lexical) };
  });
  const hybrid = lists.map((list) => list.hybrid);
  // An abstract is one chunk and its own parent.
  return { vector: lists.map(({ vector }) => vector), bm25: lists.map((list) => list.bm25), hybrid, parent_document: hybrid };
}

function fuse(dense: readonly Scored[], lexical: readonly Scored[]): string[] {
  const list = (found: readonly Scored[], weight: number) => ({
    candidates: found.map(({ id, score }) => ({ key: id, id, documentId: id, parentId: null, score })),
    weight,
  });
  return weightedFusion([list(dense, ALPHA), list(lexical, 1 - ALPHA)])
    .slice(0, DEPTH)
    .map(({ chunk }) => chunk.id);
}

function report(
  judged: readonly JudgedQuery[],
  found: Readonly<Record<Path, Rankings>>,
  exact: Rankings,
  { isQuick }: BenchContext,
): Report {
  const mean = (value: (at: number) => number) => judged.reduce((sum, _, at) => sum + value(at), 0) / judged.length;
  const ndcgOf = (lists: Rankings, strategy: Strategy) =>
    mean((at) => ndcg(lists[strategy][at] ?? [], (judged[at] as JudgedQuery).judgements, 10));
  const recallOf = (lists: Rankings, strategy: Strategy) => mean((at) => recall(lists[strategy][at] ?? [], exact[strategy][at] ?? []));
  const figures = STRATEGIES.flatMap((strategy): Figure[] => {
    const [memory, store, floats] = [ndcgOf(found.memory, strategy), ndcgOf(found.store, strategy), ndcgOf(exact, strategy)];
    const among = (path: Path) => `${strategy}: exact 100 that are found from ${path === "memory" ? "memory" : "the store"}`;
    return [
      plain(`${strategy}: nDCG@10 from memory`, memory, ""),
      plain(`${strategy}: nDCG@10 from the store`, store, ""),
      plain(`${strategy}: nDCG@10 of exact floats`, floats, ""),
      atMost(`${strategy}: nDCG@10, memory and exact apart`, Math.abs(memory - floats), "", MAX_DIFFERENCE),
      strategy === "vector"
        ? atLeast(among("memory"), recallOf(found.memory, strategy), "ratio", MIN_RECALL)
        : plain(among("memory"), recallOf(found.memory, strategy), "ratio"),
      plain(among("store"), recallOf(found.store, strategy), "ratio"),
    ];
  });
  const series = [
    { name: "memory", values: STRATEGIES.map((strategy) => ndcgOf(found.memory, strategy)) },
    { name: "store", values: STRATEGIES.map((strategy) => ndcgOf(found.store, strategy)) },
    { name: "exact floats", values: STRATEGIES.map((strategy) => ndcgOf(exact, strategy)) },
  ];
  return {
    figures,
    notes: [
      "Exact floats: BM25 over the same analysis, cosine of the unquantised vectors, the same fusion of the same 100 candidates a side.",
    ],
    details: { queries: judged.length, isQuick },
    plots: { quality: barPlot("Ranking on NPL", "nDCG@10", STRATEGIES, series) },
  };
}
