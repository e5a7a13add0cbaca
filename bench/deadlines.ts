import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type JudgedQuery, readJudgedQueries } from "../bridge/cli/judged_queries.ts";
import { atLeast, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { nplDocuments } from "./harness/corpus.ts";
import { chatWithin, type DeadlineLoad, type DeadlineSample, searchWithin } from "./harness/deadline_run.ts";
import { MODELS, type ModelName, type ModelProcess, startModelProcess } from "./harness/model_process.ts";
import type { Slowness } from "./harness/model_services.ts";
import { barPlot } from "./harness/plot.ts";
import { quantile } from "./harness/statistics.ts";

/** Queries with a deadline while the models they would use are slow at random: what is answered in time, and what that costs. */
export const deadlinesBenchmark: Benchmark = {
  name: "deadlines",
  title: "Queries with a deadline of 300 ms while models are slow at random (p95 five times p50, 5 % hung)",
  run,
};

const DEADLINE_MS = 300;
const MIN_ANSWERED = 0.999;
const HUNG = 0.05;
const EMBEDDING: Slowness = { p50Ms: 30, hungShare: HUNG };
const RERANKER: Slowness = { p50Ms: 40, hungShare: HUNG };
const CHAT: Slowness = { p50Ms: 40, hungShare: HUNG };
const [QUERIES_FILE, JUDGEMENTS_FILE] = ["queries.jsonl", "qrels.tsv"].map((file) =>
  fileURLToPath(new URL(`../test/data/npl/${file}`, import.meta.url)),
) as [string, string];

interface Case {
  readonly name: string;
  readonly slow: Readonly<Partial<Record<ModelName, Slowness>>>;
  ask(load: DeadlineLoad): Promise<readonly DeadlineSample[]>;
}

const RERANKED = (load: DeadlineLoad) => searchWithin(load, { rerank: true });
const CASES: readonly Case[] = [
  { name: "nothing slow", slow: {}, ask: RERANKED },
  { name: "reranker", slow: { reranker: RERANKER }, ask: RERANKED },
  { name: "embedding", slow: { embedding: EMBEDDING }, ask: RERANKED },
  { name: "both", slow: { embedding: EMBEDDING, reranker: RERANKER }, ask: RERANKED },
  { name: "language model", slow: { chat: CHAT }, ask: chatWithin },
  { name: "all, chat", slow: { embedding: EMBEDDING, reranker: RERANKER, chat: CHAT }, ask: chatWithin },
];

async function run(context: BenchContext): Promise<Report> {
  const models = await startModelProcess();
  try {
    const folder = join(context.workFolder, "deadlines");
    await mkdir(folder, { recursive: true });
    const kennel = await context.startKennel({ folder, environment: environment(models.origins) });
    await kennel.call("PUT", "/v1/collections/npl", {});
    context.progress("loading NPL");
    await kennel.ingest("npl", await nplDocuments(context.isQuick ? 3_000 : undefined));
    await kennel.resident("npl");
    const queries = await readJudgedQueries(QUERIES_FILE, JUDGEMENTS_FILE);
    const samples = await measure(`http://127.0.0.1:${kennel.port}`, models, queries, context);
    return report(samples);
  } finally {
    await models.stop();
  }
}

/** Embeddings as Azure has them and chat as OpenAI has it, since each of the two has one address for all its models. */
function environment({ embedding, reranker, chat }: ModelProcess["origins"]): Readonly<Record<string, string>> {
  return {
    KENNEL_EMBEDDING: "azure:embedding",
    KENNEL_CHAT: "openai:chat",
    AZURE_OPENAI_ENDPOINT: embedding,
    AZURE_OPENAI_API_KEY: "bench",
    OPENAI_BASE_URL: `${chat}/v1`,
    OPENAI_API_KEY: "bench",
    KENNEL_OPENAI_DIMENSIONS: "256",
    KENNEL_RERANK_URL: `${reranker}/v2/rerank`,
    KENNEL_CACHE_QUERY_EMBEDDING_BYTES: "0", // every question is to be embedded
  };
}

type Samples = ReadonlyMap<string, readonly DeadlineSample[]>;

async function measure(url: string, models: ModelProcess, queries: readonly JudgedQuery[], context: BenchContext): Promise<Samples> {
  const size = context.isQuick ? { count: 100, perSecond: 20 } : { count: 1_000, perSecond: 10 };
  const load = { url, collection: "npl", queries, deadlineMs: DEADLINE_MS, ...size };
  await searchWithin({ ...load, count: 50 }, { rerank: true }); // connections are open, and what phases take is known
  await chatWithin({ ...load, count: 20 });
  const samples = new Map<string, readonly DeadlineSample[]>();
  for (const { name, slow, ask } of CASES) {
    context.progress(`slow: ${name}`);
    for (const model of MODELS) await models.slow(model, slow[model] ?? null);
    samples.set(name, await ask(load));
  }
  return samples;
}

interface Kind {
  readonly name: string;
  readonly share: number;
  readonly quality: number | null;
}

function kindsOf(samples: readonly DeadlineSample[]): readonly Kind[] {
  const names = [...new Set(samples.map(({ kind }) => kind))].sort();
  return names.map((name) => {
    const own = samples.filter(({ kind }) => kind === name);
    const judged = own.flatMap(({ quality }) => (quality === null ? [] : [quality]));
    return { name, share: own.length / samples.length, quality: mean(judged) };
  });
}

function report(samples: Samples): Report {
  const kinds = [...new Set([...samples.values()].flat().map(({ kind }) => kind))].sort();
  const share = (name: string, kind: string) => (kindsOf(samples.get(name) ?? []).find((each) => each.name === kind)?.share ?? 0) * 100;
  const searched = CASES.filter(({ ask }) => ask === RERANKED).map(({ name }) => name);
  return {
    figures: CASES.flatMap(({ name }) => figuresOf(name, samples.get(name) ?? [])),
    notes: [
      "Embeddings, reranking and chat are HTTP services of their real protocols on this machine, whose answers take log-normal times;",
      `p50 is ${EMBEDDING.p50Ms} ms for embeddings, ${RERANKER.p50Ms} ms for reranking and chat. Searches are hybrid with \`rerank\`, on NPL from memory,`,
      "and always computed; the reranker lifts every second document that was judged relevant, as a strong model would. Chats are follow-up questions, rewritten and answered by the model. `full without rerank` is an answer in mode `full` that went",
      "without the phase for lack of time. nDCG@10 is that of the answers of each kind alone.",
    ],
    details: Object.fromEntries([...samples].map(([name, list]) => [name, kindsOf(list)])),
    plots: {
      deadlines: barPlot(
        "Answers by what they went without, while these models are slow",
        "% of queries",
        CASES.map(({ name }) => name),
        kinds.map((kind) => ({ name: kind, values: CASES.map(({ name }) => share(name, kind)) })),
      ),
      deadlines_quality: barPlot("Quality of all answers, while these models are slow", "nDCG@10", searched, [
        { name: "all answers", values: searched.map((name) => overall(samples.get(name) ?? [])) },
      ]),
    },
  };
}

function figuresOf(name: string, samples: readonly DeadlineSample[]): readonly Figure[] {
  const times = samples.map(({ elapsedMs }) => elapsedMs);
  const answered = samples.filter(({ isAnswered }) => isAnswered).length;
  const inTime = samples.filter(({ isAnswered, elapsedMs }) => isAnswered && elapsedMs <= DEADLINE_MS).length;
  return [
    plain(`${name}: queries`, samples.length, "queries"),
    atLeast(`${name}: answered with hits within ${DEADLINE_MS} ms`, (100 * inTime) / samples.length, "%", MIN_ANSWERED * 100),
    plain(`${name}: answered with hits by the node's clock`, (100 * answered) / samples.length, "%"),
    plain(`${name}: p50`, quantile(times, 0.5), "ms"),
    plain(`${name}: p99`, quantile(times, 0.99), "ms"),
    plain(`${name}: slowest`, Math.max(...times), "ms"),
    ...kindsOf(samples).flatMap((kind) => [
      plain(`${name}: ${kind.name}`, kind.share * 100, "%"),
      ...(kind.quality === null ? [] : [plain(`${name}: ${kind.name}, quality`, kind.quality, "nDCG@10")]),
    ]),
    ...(samples.some(({ quality }) => quality !== null) ? [plain(`${name}: all answers, quality`, overall(samples), "nDCG@10")] : []),
  ];
}

/** A query without an answer has found nothing. */
function overall(samples: readonly DeadlineSample[]): number {
  return mean(samples.map(({ quality }) => quality ?? 0)) ?? 0;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
