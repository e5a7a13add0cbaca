import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startMilvus } from "../tooling/servers/milvus.ts";
import { atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { nplDocuments } from "./harness/corpus.ts";
import { type HostedKennel, startHostedKennel } from "./harness/hosted.ts";
import type { HostNotes } from "./harness/hosted_node.ts";
import { beginsInFull, type ModeStep, type ModeWorld, runEdge, runModes, type StepResult, type Taken } from "./harness/mode_run.ts";
import { type ModelName, type ModelProcess, startModelProcess } from "./harness/model_process.ts";
import { barPlot } from "./harness/plot.ts";
import { areServersProvided } from "./harness/real_servers.ts";

/** Services are taken away and given back while a collection in the store and one in memory are searched: when does the mode follow? */
export const modesBenchmark: Benchmark = {
  name: "modes",
  title: "The mode table, forced by taking services away and giving them back",
  run,
};

const WATCH_MS = 3_000;
const RIGHT_WITHIN_SECONDS = 2;
const EDGE = { times: 8, halfMs: 600 } as const;

const same = (mode: ModeStep["expected"]["held"]) => ({ stored: mode, held: mode });
const STORES: readonly Taken[] = ["vector_store", "lexical_index"];

/** Everything in the data folder: both branches share one store. */
const EMBEDDED: readonly ModeStep[] = [
  { takes: ["language_model"], gives: [], expected: same("no_rewrite") },
  { takes: [], gives: ["language_model"], expected: same("full") },
  { takes: ["reranker"], gives: [], expected: same("no_rerank") },
  { takes: ["language_model"], gives: [], expected: same("no_rerank") },
  { takes: [], gives: ["reranker"], expected: same("no_rewrite") },
  { takes: [], gives: ["language_model"], expected: same("full") },
  { takes: ["embedding"], gives: [], expected: same("lexical") },
  { takes: ["reranker"], gives: [], expected: same("lexical") },
  { takes: [], gives: ["embedding"], expected: same("no_rerank") },
  { takes: [], gives: ["reranker"], expected: same("full") },
  { takes: STORES, gives: [], expected: { stored: "stale", held: "full" } },
  { takes: ["embedding"], gives: [], expected: { stored: "stale", held: "lexical" } },
  { takes: [], gives: STORES, expected: same("lexical") },
  { takes: [], gives: ["embedding"], expected: same("full") },
];

/** Vectors in a Milvus that is killed and started again, texts in a store beside it. */
const MILVUS: readonly ModeStep[] = [
  { takes: ["vector_store"], gives: [], expected: { stored: "lexical", held: "full" } },
  { takes: ["lexical_index"], gives: [], expected: { stored: "stale", held: "full" } },
  { takes: [], gives: ["vector_store"], expected: { stored: "basic", held: "full" } },
  { takes: ["embedding"], gives: [], expected: { stored: "down", held: "lexical" } },
  { takes: [], gives: ["lexical_index"], expected: same("lexical") },
  { takes: [], gives: ["embedding"], expected: same("full") },
  { takes: ["lexical_index"], gives: [], expected: { stored: "basic", held: "full" } },
  { takes: [], gives: ["lexical_index"], expected: same("full") },
];

const MODEL_OF: Readonly<Partial<Record<Taken, ModelName>>> = { language_model: "chat", reranker: "reranker", embedding: "embedding" };

async function run(context: BenchContext): Promise<Report> {
  const models = await startModelProcess();
  try {
    const embedded = await onNode(context, models, "embedded", {}, async (kennel) => {
      const world = worldOf(kennel, models, {
        take: (service) => (service === "vector_store" ? kennel.stopStores() : Promise.resolve()),
        giveBack: (service) => (service === "vector_store" ? kennel.resumeStores() : Promise.resolve()),
        serviceOf: (service) => (service === "lexical_index" ? "vector_store" : service),
      });
      const steps = context.isQuick ? EMBEDDED.slice(0, 2) : EMBEDDED;
      const results = await runModes(world, steps, WATCH_MS, context.progress);
      context.progress("the reranker at its edge");
      return { results, edge: await runEdge(world, "reranker", context.isQuick ? 2 : EDGE.times, EDGE.halfMs, "full") };
    });
    const milvus = areServersProvided() && !context.isQuick ? await withMilvus(context, models) : [];
    return report(embedded.results, milvus, embedded.edge);
  } finally {
    await models.stop();
  }
}

async function withMilvus(context: BenchContext, models: ModelProcess): Promise<readonly StepResult[]> {
  const folder = join(context.workFolder, "milvus");
  await mkdir(folder, { recursive: true });
  const milvus = await startMilvus(process.env.TEST_MILVUS_PYTHON as string, folder);
  try {
    const environment = { KENNEL_MILVUS_URL: `http://${milvus.address}`, KENNEL_MILVUS_REQUEST_TIMEOUT_MS: "2000" };
    return await onNode(context, models, "with_milvus", environment, (kennel) =>
      runModes(
        worldOf(kennel, models, {
          async take(service) {
            if (service === "vector_store") milvus.kill("SIGKILL");
            else await kennel.stopLexical();
          },
          giveBack: (service) => (service === "vector_store" ? milvus.restart() : kennel.resumeLexical()),
          serviceOf: (service) => service,
        }),
        MILVUS,
        WATCH_MS,
        context.progress,
      ),
    );
  } finally {
    await milvus.stop();
  }
}

interface Stores extends Pick<ModeWorld, "take" | "giveBack"> {
  /** Whose breaker decides. */
  serviceOf(service: Taken): Taken;
}

function worldOf(kennel: HostedKennel, models: ModelProcess, stores: Stores): ModeWorld {
  const events: HostNotes["events"][number][] = [];
  return {
    url: `http://127.0.0.1:${kennel.port}`,
    take: (service) => (MODEL_OF[service] === undefined ? stores.take(service) : models.take(MODEL_OF[service])),
    giveBack: (service) => (MODEL_OF[service] === undefined ? stores.giveBack(service) : models.giveBack(MODEL_OF[service])),
    async decidedMs(service, isAway, afterMs) {
      events.push(...(await kennel.notes()).events);
      const decides = ({ atMs, path, event }: HostNotes["events"][number]) =>
        atMs > afterMs && path.endsWith(`/${stores.serviceOf(service)}`) && event === (isAway ? "suspended" : "ready");
      return (isAway ? events.find(decides) : events.findLast(decides))?.atMs ?? null;
    },
  };
}

/** Judged sooner than by default, so that a step takes seconds. */
function supervision(kinds: readonly string[]): Readonly<Record<string, string>> {
  const limits = { PROBE_INTERVAL_MS: 250, PROBE_TIMEOUT_MS: 1_000, MAX_FAILED_PROBES: 2, BACKOFF_MS: 200, MAX_BACKOFF_MS: 400 };
  return Object.fromEntries(
    kinds.flatMap((kind) => Object.entries(limits).map(([name, value]) => [`KENNEL_SUPERVISION_${kind}_${name}`, String(value)])),
  );
}

async function onNode<Result>(
  context: BenchContext,
  { origins }: ModelProcess,
  name: string,
  environment: Readonly<Record<string, string>>,
  work: (kennel: HostedKennel) => Promise<Result>,
): Promise<Result> {
  const folder = join(context.workFolder, name);
  await mkdir(folder, { recursive: true });
  const kennel = await startHostedKennel(folder, {
    KENNEL_EMBEDDING: "azure:embedding",
    KENNEL_CHAT: "openai:chat",
    AZURE_OPENAI_ENDPOINT: origins.embedding,
    AZURE_OPENAI_API_KEY: "bench",
    OPENAI_BASE_URL: `${origins.chat}/v1`,
    OPENAI_API_KEY: "bench",
    KENNEL_OPENAI_DIMENSIONS: "256",
    KENNEL_OPENAI_MAX_RETRIES: "0",
    KENNEL_RERANK_URL: `${origins.reranker}/v2/rerank`,
    KENNEL_LOAD_DOCUMENTATION: "false",
    ...supervision(["LANGUAGE_MODEL", "RERANKER", "EMBEDDING", "VECTOR_STORE"]),
    ...environment,
  });
  try {
    const documents = [{ id: "water", text: "What is known of water is that it boils" }, ...(await nplDocuments(200))];
    for (const [collection, resident] of [
      ["stored", "never"],
      ["held", "always"],
    ] as const) {
      await kennel.call("PUT", `/v1/collections/${collection}`, { resident });
      await kennel.ingest(collection, documents);
      if (resident === "always") await kennel.resident(collection);
    }
    await beginsInFull(`http://127.0.0.1:${kennel.port}`);
    return await work(kennel);
  } finally {
    await kennel.stop();
  }
}

function report(embedded: readonly StepResult[], milvus: readonly StepResult[], edge: number): Report {
  const all = [...embedded, ...milvus];
  const moved = all.filter(({ before, expected }) => before !== expected);
  return {
    figures: [
      ...embedded.map((step) => figureOf("embedded", step)),
      ...milvus.map((step) => figureOf("Milvus", step)),
      plain("queries asked", sum(all, ({ queries }) => queries), "queries"),
      atMost("failed that had anything left to answer from", sum(all, ({ failed }) => failed), "queries", 0),
      atMost("most changes of the mode in one step", Math.max(...all.map(({ changes }) => changes)), "changes", 1),
      atMost("changes of the mode at the edge", edge, "changes", 2),
    ], // biome-ignore format: a list of figures
    notes: [
      "Seconds from the probe that decides (the service's breaker opens, or closes) to the first question that was answered in the right mode, as all later ones were.",
      "`stored` asks its store, `held` answers from memory; both are asked without a pause, one question that was answered before and one that nobody has",
      "asked in turn. Models are HTTP services of their real protocols that are closed and opened again at their address; the embedded store is stopped at",
      "its adapter; Milvus is killed and started again, the store of texts beside it stopped at its adapter. At the edge the reranker is away and back eight",
      "times, 0.6 s each.",
    ],
    details: { embedded, milvus, edge },
    plots: {
      modes: barPlot(
        "From the probe that decides to the right mode, by transition",
        "s",
        ["mean", "slowest"],
        [
          { name: "a service is gone", values: spread(moved.filter(({ change }) => change.startsWith("−"))) },
          { name: "a service is back", values: spread(moved.filter(({ change }) => change.startsWith("+"))) },
        ],
      ),
    },
  };
}

function figureOf(world: string, { change, collection, before, expected, rightMs }: StepResult): Figure {
  const path = before === expected ? `stays ${expected}` : `${before} → ${expected}`;
  return atMost(`${world}, ${change}: ${collection} ${path}`, rightMs / 1_000, "s", RIGHT_WITHIN_SECONDS);
}

function spread(steps: readonly StepResult[]): readonly number[] {
  const seconds = steps.map(({ rightMs }) => rightMs / 1_000);
  return [seconds.reduce((total, value) => total + value, 0) / Math.max(1, seconds.length), Math.max(0, ...seconds)];
}

function sum(steps: readonly StepResult[], of: (step: StepResult) => number): number {
  return steps.reduce((total, step) => total + of(step), 0);
}
