import { join } from "node:path";
import { loadStaticModel, type StaticModel } from "../actors/embedding/static/static_model.ts";
import { type Analyzer, loadAnalyzer } from "../actors/retriever/index/resident/analyzer.ts";
import type { IndexImage } from "../actors/retriever/index/resident/image.ts";
import type { BuildPage } from "../actors/retriever/index/resident/index_tasks.ts";
import { IndexWorkshop } from "../actors/retriever/index/resident/index_workshop.ts";
import { type KernelModule, loadKernels } from "../actors/retriever/index/resident/kernels.ts";
import { ResidentIndex } from "../actors/retriever/index/resident/resident_index.ts";
import type { Filter } from "../actors/vector_store/filter.ts";
import type { ChunkRow, SearchOptions } from "../actors/vector_store/vector_store.ts";
import { systemClock } from "../runtime/clock.ts";
import { atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { type BenchDocument, loadQueries, nplDocuments, recombine } from "./harness/corpus.ts";
import { median, quantile } from "./harness/statistics.ts";
import { measurePipeline } from "./resident_pipeline.ts";

/** What a query costs on the resident index, step by step and in this process; what an index weighs; how long its life's events take. */
export const residentBenchmark: Benchmark = { name: "resident", title: "The resident index in the process", run };

const BITS_FROM_ROWS = 20_000;
const OPTIONS: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };
const LEXICAL_WEIGHT = 0.7;
const WEIGHTED = { type: "weighted" } as const;
const PAGE_ROWS = 500;
const PERCENTS = 100;

interface Tools {
  readonly model: StaticModel;
  readonly analyzer: Analyzer;
  readonly kernels: KernelModule;
  readonly workshop: IndexWorkshop;
}

async function run(context: BenchContext): Promise<Report> {
  const [model, analyzer, kernels] = [await loadStaticModel(), await loadAnalyzer("english"), await loadKernels()];
  const workshop = new IndexWorkshop({ maxQueue: 8, taskTimeoutMs: 120_000, maxRows: 250_000, clock: systemClock() });
  const tools = { model, analyzer, kernels, workshop };
  try {
    const npl = await nplDocuments(context.isQuick ? 1_000 : undefined);
    const sizes = context.isQuick ? [npl.length] : [npl.length, 100_000];
    const figures: Figure[] = [];
    for (const size of sizes) figures.push(...(await measureSize(recombine(npl, size), context, tools)));
    return { figures, details: figures };
  } finally {
    await workshop.close();
  }
}

async function measureSize(documents: readonly BenchDocument[], context: BenchContext, tools: Tools): Promise<Figure[]> {
  const { workshop } = tools;
  const size = documents.length.toLocaleString("en");
  context.progress(`${size} chunks: build`);
  const options = { indexVersion: 1, language: "english", dimensions: tools.model.dimensions, bitsFromRows: BITS_FROM_ROWS };
  const [image, buildMs] = await timed(() => workshop.build(pages(documents, tools.model), options, context.signal));
  context.progress(`${size} chunks: snapshot`);
  const path = join(context.workFolder, `${documents.length}.index`);
  const [, saveMs] = await timed(() => workshop.save(image, path, context.signal));
  const loads: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const [outcome, loadMs] = await timed(async () => {
      const loaded = await workshop.load(path, options, context.signal);
      return loaded.kind === "loaded" ? open(loaded.image, tools) : null;
    });
    if (outcome === null) throw new Error("The snapshot that was just saved cannot be loaded");
    loads.push(loadMs);
  }
  const index = open(image, tools);
  const passageBytes = image.header.sections.passages.bytes;
  const steps = measureSteps(index, documents, context, tools);
  const queries = loadQueries(documents, context.isQuick ? 50 : 500);
  context.progress(`${size} chunks: pipeline`);
  const pipeline = await measurePipeline(index, tools.model, queries, context.isQuick ? 2 : 5);
  return [
    ...pipeline.map(({ name, microseconds }) => plain(`${size}: ${name}`, microseconds, "µs CPU")),
    ...steps.map(({ name, microseconds }) => plain(`${size}: ${name}`, microseconds, "µs CPU")),
    atMost(`${size}: memory beside the text`, (index.bytes - passageBytes) / documents.length, "bytes/chunk", 500),
    plain(`${size}: text`, passageBytes / documents.length, "bytes/chunk"),
    plain(`${size}: build, embedding included`, (buildMs / documents.length) * 1_000, "ms/1,000 chunks"),
    plain(`${size}: save a snapshot`, saveMs, "ms"),
    atMost(`${size}: load a snapshot`, median(loads), "ms", 500),
    ...(await measureWrites(index, documents, context, tools)).map((figure) => ({ ...figure, name: `${size}: ${figure.name}` })),
  ];
}

interface Step {
  readonly name: string;
  readonly microseconds: number;
}

interface Query {
  readonly text: string;
  readonly vector: Float32Array;
}

function measureSteps(index: ResidentIndex, documents: readonly BenchDocument[], context: BenchContext, tools: Tools): Step[] {
  const { model, analyzer } = tools;
  const queries = loadQueries(documents, context.isQuick ? 50 : 500).flatMap((text): Query[] => {
    const vector = model.embedSync(text);
    return vector === null ? [] : [{ text, vector }];
  });
  const lists = new Map(queries.map((query) => [query, searchBoth(index, query)]));
  const whole = (query: Query) =>
    index.fuse(searchBoth(index, { text: query.text, vector: model.embedSync(query.text) ?? query.vector }), WEIGHTED, 10);
  const share = (percent: number): SearchOptions => {
    const filter: Filter = { type: "lt", key: "part", value: percent };
    return { ...OPTIONS, filter };
  };
  const steps: [string, (query: Query) => unknown][] = [
    ["embed", ({ text }) => model.embedSync(text)],
    ["analyse", ({ text }) => analyzer.analyze(text)],
    ["BM25", ({ text }) => index.searchText(text, OPTIONS)],
    ["cosine", ({ vector }) => index.searchVector(vector, OPTIONS)],
    ...[1, 10, 50].flatMap((percent): [string, (query: Query) => unknown][] => [
      [`BM25, ${percent} % allowed`, ({ text }) => index.searchText(text, share(percent))],
      [`cosine, ${percent} % allowed`, ({ vector }) => index.searchVector(vector, share(percent))],
    ]),
    ["fuse 100 + 100", (query) => index.fuse(lists.get(query) ?? [], WEIGHTED, 10)],
    ["steps of a query in a row", whole],
  ];
  return steps.map(([name, step]) => {
    context.progress(`${documents.length.toLocaleString("en")} chunks: ${name}`);
    return { name, microseconds: cpuMicroseconds(queries, step, context.isQuick ? 2 : 5) };
  });
}

function searchBoth(index: ResidentIndex, { text, vector }: Query) {
  return [
    { hits: index.searchText(text, OPTIONS), weight: LEXICAL_WEIGHT },
    { hits: index.searchVector(vector, OPTIONS), weight: 1 - LEXICAL_WEIGHT },
  ];
}

/** Writes a thousand documents anew, then merges them while queries go on. */
async function measureWrites(
  index: ResidentIndex,
  documents: readonly BenchDocument[],
  context: BenchContext,
  tools: Tools,
): Promise<Figure[]> {
  const written = documents.slice(0, 1_000);
  const upserts = written.map(({ id }, at) => {
    const startedMs = performance.now();
    const text = documents[(at + 500) % documents.length]?.text ?? "";
    index.replaceDocuments([id], [rowOf({ id, text }, tools.model)], at + 2);
    return (performance.now() - startedMs) * 1_000;
  });
  const [query] = loadQueries(documents, 1);
  const vector = tools.model.embedSync(query ?? "") ?? new Float32Array(index.dimensions);
  const gaps: number[] = [];
  let isMerging = true;
  const [, mergeMs] = await timed(async () => {
    const merged = tools.workshop.merge(index, context.signal).finally(() => {
      isMerging = false;
    });
    for (let lastMs = performance.now(); isMerging; ) {
      searchBoth(index, { text: query ?? "", vector });
      await new Promise<void>((resolve) => void setImmediate(resolve));
      const nowMs = performance.now();
      gaps.push(nowMs - lastMs);
      lastMs = nowMs;
    }
    await merged;
  });
  return [
    atMost("upsert, embedding included, p50", median(upserts), "µs", 1_000),
    plain("upsert, embedding included, p99", quantile(upserts, 0.99), "µs"),
    plain("merge of 1,000 rows, in its thread", mergeMs, "ms"),
    plain("query and loop turn during the merge, p99", quantile(gaps, 0.99), "ms"),
  ];
}

/** Median over rounds of the CPU time a query takes, all threads of the process counted. */
function cpuMicroseconds(queries: readonly Query[], step: (query: Query) => unknown, rounds: number): number {
  for (const query of queries) step(query);
  const costs = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    for (const query of queries) step(query);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / queries.length;
  });
  return median(costs);
}

function open(image: IndexImage, { kernels, analyzer }: Tools): ResidentIndex {
  return new ResidentIndex(image, { kernels, analyzer, bitsFromRows: BITS_FROM_ROWS, mergeFromRows: 1_000 });
}

async function* pages(documents: readonly BenchDocument[], model: StaticModel): AsyncIterable<BuildPage> {
  for (let from = 0; from < documents.length; from += PAGE_ROWS) {
    const rows = documents.slice(from, from + PAGE_ROWS).map((document, at) => rowOf(document, model, (from + at) % PERCENTS));
    yield { rows, parents: null };
  }
}

function rowOf({ id, text }: BenchDocument, model: StaticModel, part = 0): ChunkRow {
  return {
    id: `${id}#0`,
    documentId: id,
    ordinal: 0,
    parentId: null,
    title: "",
    url: "",
    text,
    indexText: text,
    attributes: { part },
    principals: [],
    vector: model.embedSync(text),
    updatedAtMs: 0,
  };
}

async function timed<Result>(work: () => Promise<Result>): Promise<[Result, number]> {
  const startedMs = performance.now();
  return [await work(), performance.now() - startedMs];
}
