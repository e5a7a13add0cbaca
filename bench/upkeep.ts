import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { type BenchDocument, loadQueries, nplDocuments } from "./harness/corpus.ts";
import { type HostedKennel, startHostedKennel } from "./harness/hosted.ts";
import { pause } from "./harness/kennel_client.ts";
import { type MixedCommand, type MixedResult, searchRequests } from "./harness/mixed_load.ts";
import { barPlot } from "./harness/plot.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median, quantile } from "./harness/statistics.ts";

/**
 * What queries over memory feel of the upkeep: while what was written is merged into an index, while another index is built,
 * and how soon a write is seen that the store has acknowledged. Rounds of quiet, merges and builds alternate.
 */
export const upkeepBenchmark: Benchmark = {
  name: "upkeep",
  title: "Queries while indexes are merged and built, and writes until seen",
  run,
};

const SEARCHED = "searched";
const BUILT = "built";
const CONNECTIONS = 8;
/** Requests a second: a fraction of what one core answers, so that a slow answer is the upkeep's doing. */
const PER_SECOND = 100;
/** What an index merges at, and a little more. */
const MERGED_ROWS = 1_050;
const LAG = 'kennel_event_loop_lag_seconds{quantile="0.99"';
const UPSERT_PAUSE_MS = 20;

type Phase = "quiet" | "merge" | "build";

interface Round {
  readonly result: MixedResult;
  /** How often the upkeep was done while the searches went on. */
  readonly times: number;
}

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 1_500 : undefined);
  const folder = join(context.workFolder, "upkeep");
  await mkdir(folder, { recursive: true });

  const kennel = await startHostedKennel(folder);
  const load = startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url));
  try {
    context.progress("loading");
    for (const [name, resident] of [
      [SEARCHED, "always"],
      [BUILT, "never"],
    ] as const) {
      await kennel.call("PUT", `/v1/collections/${name}`, { resident });
      await kennel.ingest(name, documents);
    }
    await kennel.resident(SEARCHED);
    return await measure({ kennel, load, documents, durationMs: context.isQuick ? 1_500 : 8_000 }, context);
  } finally {
    await load.stop();
    await kennel.stop();
  }
}

interface Stage {
  readonly kennel: HostedKennel;
  readonly load: SideProcess;
  readonly documents: readonly BenchDocument[];
  /** Of one phase. */
  readonly durationMs: number;
}

async function measure(stage: Stage, context: BenchContext): Promise<Report> {
  const requests = searchRequests(SEARCHED, loadQueries(stage.documents, 2_000), {}, ['"index":"resident"']);
  const rounds: Record<Phase, Round[]> = { quiet: [], merge: [], build: [] };
  const work: Readonly<Record<Phase, (number: number) => Promise<void>>> = {
    quiet: () => pause(100),
    merge: (number) => writeRows(stage, number),
    build: () => buildAgain(stage.kennel),
  };
  for (let round = 0; round <= (context.isQuick ? 1 : 3); round += 1) {
    for (const phase of ["quiet", "merge", "build"] as const) {
      context.progress(`${phase}, round ${round}`);
      const measured = await searchDuring(stage, requests, work[phase]);
      if (round > 0) rounds[phase].push(measured); // the first one warms
    }
  }
  context.progress("the event loop while nothing but searches runs");
  await searchDuring({ ...stage, durationMs: context.isQuick ? 2_000 : 21_000 }, requests, () => pause(1_000)); // the lag is that of 20 s
  const quietLagMs = (await stage.kennel.metric(LAG)) * 1_000;
  context.progress("the event loop while indexes are merged and built");
  await searchDuring({ ...stage, durationMs: context.isQuick ? 2_000 : 21_000 }, requests, async (number) => {
    await work[number % 2 === 0 ? "merge" : "build"](number);
  });
  const busyLagMs = (await stage.kennel.metric(LAG)) * 1_000;
  context.progress("writes until they are seen");
  const upserts = await upsert(stage, context.isQuick ? 50 : 400);
  return report(rounds, { quietLagMs, busyLagMs }, upserts);
}

/** Searches for the phase's time while `work` is done over and over. */
async function searchDuring(
  { kennel, load, durationMs }: Stage,
  requests: ReturnType<typeof searchRequests>,
  work: (number: number) => Promise<void>,
): Promise<Round> {
  let isSearching = true;
  const searching = load
    .ask<MixedResult>({
      port: kennel.port,
      requests,
      connections: CONNECTIONS,
      durationMs,
      maxRequests: Number.MAX_SAFE_INTEGER,
      perSecond: PER_SECOND,
      keepsSamples: false,
    } satisfies MixedCommand)
    .finally(() => {
      isSearching = false;
    });
  let times = 0;
  for (; isSearching; times += 1) await Promise.race([work(times), searching]);
  const result = await searching;
  const faults = Object.entries(result.faults);
  if (faults.length > 0) throw new Error(`Not all searches were answered from memory: ${JSON.stringify(faults)} ${result.firstFault}`);
  return { result, times };
}

/** Writes so many documents anew that the index is merged. */
async function writeRows({ kennel, documents }: Stage, number: number): Promise<void> {
  const from = (number * MERGED_ROWS) % documents.length;
  const rows = [...documents.slice(from), ...documents].slice(0, MERGED_ROWS);
  await kennel.ingest(
    SEARCHED,
    rows.map(({ id, text }) => ({ id, text: `${text} revision ${number} ${performance.now()}` })),
  );
}

/** Lets the other collection out of memory and back into it, from its store. */
async function buildAgain(kennel: HostedKennel): Promise<void> {
  await kennel.call("PUT", `/v1/collections/${BUILT}`, { resident: "never" });
  // A write makes the snapshot useless, so that the index must be built.
  await kennel.ingest(BUILT, [{ id: "written", text: `written before the build ${performance.now()}` }]);
  await kennel.call("PUT", `/v1/collections/${BUILT}`, { resident: "always" });
  await kennel.resident(BUILT);
}

/** Single documents, one after the other. @returns ms from the store's acknowledgement of each to its being seen */
async function upsert({ kennel, documents }: Stage, count: number): Promise<readonly number[]> {
  await kennel.notes();
  for (let number = 0; number < count; number += 1) {
    const { id, text } = documents[number % documents.length] as BenchDocument;
    const word = `upserted${number}`;
    await kennel.ingest(SEARCHED, [{ id, text: `${text} ${word}` }]);
    if (number % 50 === 0) await requireFound(kennel, id, word);
    await pause(UPSERT_PAUSE_MS);
  }
  return (await kennel.notes()).visibleAfterMs;
}

async function requireFound(kennel: HostedKennel, id: string, word: string): Promise<void> {
  const body = { query: word, strategy: "bm25", top_k: 1 };
  const { data } = await kennel.call<{ data: readonly { document_id: string }[] }>("POST", `/v1/collections/${SEARCHED}/search`, body);
  if (data[0]?.document_id !== id) throw new Error(`${id} is not found after its job has ended`);
}

function report(
  rounds: Readonly<Record<Phase, readonly Round[]>>,
  { quietLagMs, busyLagMs }: { readonly quietLagMs: number; readonly busyLagMs: number },
  visibleAfterMs: readonly number[],
): Report {
  const over = (phase: Phase, value: (round: Round) => number) => median(rounds[phase].map(value));
  const ratioToQuiet = (phase: Phase) =>
    median(rounds[phase].map(({ result }, round) => result.p99Ms / (rounds.quiet[round]?.result.p99Ms ?? Number.NaN)));
  const phases: readonly Phase[] = ["quiet", "merge", "build"];
  const titles = {
    quiet: "quiet",
    merge: "writing 1,050 documents and merging them",
    build: "writing to another collection and building it",
  };
  return {
    figures: [
      ...phases.flatMap((phase) => [
        plain(`${titles[phase]}: query p50`, over(phase, ({ result }) => result.p50Ms), "ms"), // biome-ignore format: one figure
        plain(`${titles[phase]}: query p99`, over(phase, ({ result }) => result.p99Ms), "ms"), // biome-ignore format: one figure
        ...(phase === "quiet" ? [] : [plain(`${titles[phase]}: times in a round`, over(phase, ({ times }) => times), "times")]), // biome-ignore format: one figure
      ]),
      atMost("query p99, writing and merging / quiet", ratioToQuiet("merge"), "ratio", 2),
      atMost("query p99, building / quiet", ratioToQuiet("build"), "ratio", 2),
      atMost("event-loop lag p99, searches alone", quietLagMs, "ms", 5),
      atMost("event-loop lag p99, merges and builds beside them", busyLagMs, "ms", 5),
      plain("a write's acknowledgement by the store until searches see it, p50", median(visibleAfterMs), "ms"),
      atMost("the same, p99", quantile(visibleAfterMs, 0.99), "ms", 1),
    ],
    notes: [
      "Requests come at a fixed rate, each timed from the moment it was due. Writing goes through the whole ingest, so its parsing and embedding count as well.",
      "A write is seen when the step after it begins, which waits for every index in memory that holds the collection.",
    ],
    details: { rounds, quietLagMs, busyLagMs, visibleAfterMs },
    plots: {
      upkeep: barPlot("Queries while indexes are merged and built", "ms", ["p50", "p99"], phases.map((phase) => ({ name: titles[phase], values: [over(phase, ({ result }) => result.p50Ms), over(phase, ({ result }) => result.p99Ms)] }))), // biome-ignore format: one call
    },
  };
}
