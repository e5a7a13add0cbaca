import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { atLeast, atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { type BenchDocument, loadQueries, nplDocuments } from "./harness/corpus.ts";
import { type HostedKennel, startHostedKennel } from "./harness/hosted.ts";
import { pause } from "./harness/kennel_client.ts";
import { type MixedCommand, type MixedResult, type MixedSample, searchRequests } from "./harness/mixed_load.ts";
import { linePlot } from "./harness/plot.ts";
import { startSideProcess } from "./harness/side_process.ts";
import { quantile } from "./harness/statistics.ts";

/**
 * Searches go on while both stores are stopped: every call of theirs fails, the document store's at once, the vector store's
 * when its caller gives up, and so do their probes, so that their breakers open. Writes are tried all the while.
 */
export const outageBenchmark: Benchmark = { name: "outage", title: "Both stores stopped while resident collections are searched", run };

const COLLECTIONS = ["first", "second", "third"] as const;
const STRATEGIES = ["hybrid", "bm25", "vector", "parent_document"] as const;
const QUERIES_EACH = 200;
/** Requests a second: a fraction of what one core answers, so that a slow answer is the node's and not the queue's. */
const PER_SECOND = 150;
const CONNECTIONS = 8;
const WRITE_PAUSE_MS = 250;
const RETURN_LIMIT_MS = 60_000;
const SECOND_MS = 1_000;
/** Every answer of the load must say so: in full, from memory and how fresh. */
const MODE = '"mode":"full"';
const FRESHNESS = '"freshness":{"index":"resident","age_ms":';
/** ... and that nothing at all is missing. */
const WHOLE = '"degradations":[]';

interface Times {
  readonly quietMs: number;
  readonly outageMs: number;
  readonly afterMs: number;
}

async function run(context: BenchContext): Promise<Report> {
  const times = context.isQuick
    ? { quietMs: 2_000, outageMs: 5_000, afterMs: 2_000 }
    : { quietMs: 10_000, outageMs: 60_000, afterMs: 10_000 };
  const documents = await nplDocuments(context.isQuick ? 500 : 4_000);
  const folder = join(context.workFolder, "outage");
  await mkdir(folder, { recursive: true });
  const kennel = await startHostedKennel(folder);
  try {
    for (const name of COLLECTIONS) {
      context.progress(`loading ${name}`);
      await kennel.call("PUT", `/v1/collections/${name}`, {});
      await kennel.ingest(name, documents);
      await kennel.resident(name);
    }
    return await measure(kennel, documents, times, context);
  } finally {
    await kennel.stop();
  }
}

async function measure(kennel: HostedKennel, documents: readonly BenchDocument[], times: Times, context: BenchContext): Promise<Report> {
  const load = startSideProcess(new URL("./harness/mixed_load.ts", import.meta.url));
  try {
    const searching = load.ask<MixedResult>({
      port: kennel.port,
      requests: mix(documents),
      connections: CONNECTIONS,
      durationMs: times.quietMs + times.outageMs + times.afterMs,
      maxRequests: Number.MAX_SAFE_INTEGER,
      perSecond: PER_SECOND,
      keepsSamples: true,
    } satisfies MixedCommand);
    await pause(times.quietMs);
    const beforeStatus = await wholeJob(kennel, documents);
    await kennel.notes();
    await kennel.stopStores();
    const stoppedMs = now();
    context.progress("both stores are stopped");
    const refused = await tryWrites(kennel, stoppedMs + times.outageMs);
    const { refusedCalls, events } = await kennel.notes();
    await kennel.resumeStores();
    const resumedMs = now();
    context.progress("both stores are back");
    const writableMs = await writableAgain(kennel);
    const interrupted = await beforeStatus.ended();
    const result = await searching;
    const traces = await tracesOf(kennel, refused.ids);
    const rewritten = await writeAll(kennel, refused.ids);
    return report({ times, result, refused, refusedCalls, events: events.length, interrupted, traces, rewritten, writableMs, stoppedMs, resumedMs }); // biome-ignore format: one call
  } finally {
    await load.stop();
  }
}

function mix(documents: readonly BenchDocument[]) {
  const requests = COLLECTIONS.flatMap((collection, place) =>
    STRATEGIES.flatMap((strategy, variant) =>
      searchRequests(collection, loadQueries(documents, QUERIES_EACH, 100 + place * 10 + variant), { strategy }, [MODE, FRESHNESS, WHOLE]),
    ),
  );
  // Neighbours differ in collection and strategy.
  const kinds = COLLECTIONS.length * STRATEGIES.length;
  return Array.from({ length: requests.length }, (_, at) => requests[(at % kinds) * QUERIES_EACH + Math.floor(at / kinds)]).filter(
    (request) => request !== undefined,
  );
}

/** A job that has been accepted when the stores stop: it must be finished, whole, when they are back. */
async function wholeJob(kennel: HostedKennel, documents: readonly BenchDocument[]) {
  const changed = documents.slice(0, 400).map(({ id, text }) => ({ id: `accepted-${id}`, text: `${text} accepted` }));
  const path = `/v1/collections/${COLLECTIONS[0]}/documents`;
  const { id } = await kennel.call<{ id: string }>("POST", path, { documents: changed });
  return {
    async ended() {
      await kennel.completed(id);
      let found = 0;
      for (const document of changed) if ((await kennel.statusOf("GET", `${path}/${document.id}`)) === 200) found += 1;
      return { documents: changed.length, found };
    },
  };
}

interface RefusedWrites {
  readonly ids: readonly string[];
  readonly statuses: readonly number[];
  readonly slowestMs: number;
}

/** Documents, a deletion and a new collection, one after the other, until the outage ends. */
async function tryWrites(kennel: HostedKennel, untilMs: number): Promise<RefusedWrites> {
  const [ids, statuses]: [string[], number[]] = [[], []];
  let slowestMs = 0;
  for (let number = 0; now() < untilMs; number += 1) {
    const collection = COLLECTIONS[number % COLLECTIONS.length];
    const startedMs = now();
    if (number % 3 === 0) {
      const id = `during-${number}`;
      ids.push(id);
      const body = { documents: [{ id, text: `written during the outage ${number}` }] };
      statuses.push(await kennel.statusOf("POST", `/v1/collections/${collection}/documents`, body));
    } else if (number % 3 === 1) {
      statuses.push(await kennel.statusOf("DELETE", `/v1/collections/${collection}/documents/1`));
    } else {
      statuses.push(await kennel.statusOf("PUT", `/v1/collections/new_${number}`, {}));
    }
    slowestMs = Math.max(slowestMs, now() - startedMs);
    await pause(WRITE_PAUSE_MS);
  }
  return { ids, statuses, slowestMs };
}

/** Milliseconds until a write is accepted again. */
async function writableAgain(kennel: HostedKennel): Promise<number> {
  const startedMs = now();
  const body = { documents: [{ id: "afterwards", text: "written after the outage" }] };
  while ((await kennel.statusOf("POST", `/v1/collections/${COLLECTIONS[0]}/documents`, body)) !== 202) {
    if (now() - startedMs > RETURN_LIMIT_MS) throw new Error("No write was accepted after the stores had come back");
    await pause(50);
  }
  return now() - startedMs;
}

/** What is left of writes that were refused: documents and collections that should not exist, deleted ones that should. */
async function tracesOf(kennel: HostedKennel, ids: readonly string[]): Promise<number> {
  let traces = 0;
  for (const [at, id] of ids.entries()) {
    for (const collection of COLLECTIONS)
      if ((await kennel.statusOf("GET", `/v1/collections/${collection}/documents/${id}`)) !== 404) traces += 1;
    if ((await kennel.statusOf("GET", `/v1/collections/new_${at * 3 + 2}`)) !== 404) traces += 1;
  }
  for (const collection of COLLECTIONS)
    if ((await kennel.statusOf("GET", `/v1/collections/${collection}/documents/1`)) !== 200) traces += 1;
  return traces;
}

/** The refused documents once more. @returns how many of them a search finds when their job has ended */
async function writeAll(kennel: HostedKennel, ids: readonly string[]): Promise<number> {
  const collection = COLLECTIONS[1];
  await kennel.ingest(
    collection,
    ids.map((id) => ({ id, text: `rewritten ${id.replace("-", "")}` })),
  );
  let found = 0;
  for (const id of ids) {
    const body = { query: `rewritten ${id.replace("-", "")}`, strategy: "bm25", top_k: 1 };
    const { data } = await kennel.call<{ data: readonly { document_id: string }[] }>("POST", `/v1/collections/${collection}/search`, body);
    if (data[0]?.document_id === id) found += 1;
  }
  return found;
}

interface Outcome {
  readonly times: Times;
  readonly result: MixedResult;
  readonly refused: RefusedWrites;
  readonly refusedCalls: number;
  readonly events: number;
  readonly interrupted: { readonly documents: number; readonly found: number };
  readonly traces: number;
  readonly rewritten: number;
  readonly writableMs: number;
  readonly stoppedMs: number;
  readonly resumedMs: number;
}

function report(outcome: Outcome): Report {
  const { result, refused, interrupted, traces, rewritten, writableMs, stoppedMs, resumedMs, times } = outcome;
  const during = result.samples.filter(({ atMs }) => atMs >= stoppedMs && atMs < resumedMs);
  const quiet = result.samples.filter(({ atMs }) => atMs < stoppedMs);
  const p99 = (samples: MixedResult["samples"]) =>
    quantile(
      samples.map(({ durationMs, waitedMs }) => durationMs + waitedMs),
      0.99,
    );
  return {
    figures: [
      plain("outage", (resumedMs - stoppedMs) / SECOND_MS, "s"),
      atLeast("calls that the stopped stores have refused, probes included", outcome.refusedCalls, "calls", 1),
      plain("searches during the outage", during.length, "searches"),
      atMost(
        "of them failed",
        count(during, ({ fault }) => fault?.startsWith("status") === true),
        "searches",
        0,
      ),
      atMost(
        "of them in another mode than full",
        count(during, ({ fault }) => fault === MODE),
        "searches",
        0,
      ),
      atMost(
        "of them not from memory",
        count(during, ({ fault }) => fault === FRESHNESS),
        "searches",
        0,
      ),
      atMost(
        "of them without some part, as they say",
        count(during, ({ fault }) => fault === WHOLE),
        "searches",
        0,
      ),
      atMost(
        "failed or in another mode over the whole time",
        count(result.samples, ({ fault }) => fault !== null && fault !== WHOLE),
        "searches",
        0,
      ),
      plain("search p99, before", p99(quiet), "ms"),
      plain("search p99, during", p99(during), "ms"),
      plain("writes tried during the outage", refused.statuses.length, "writes"),
      atMost("of them answered with anything but 503", refused.statuses.filter((status) => status !== 503).length, "writes", 0),
      plain("slowest refusal", refused.slowestMs, "ms"),
      atMost("traces of refused writes afterwards", traces, "traces", 0),
      atMost("documents of the job the outage fell into, missing afterwards", interrupted.documents - interrupted.found, "documents", 0),
      atMost("refused documents, written again and not found", refused.ids.length - rewritten, "documents", 0),
      plain("from the stores' return to the first accepted write", writableMs, "ms"),
    ],
    notes: [
      "The node runs in a process of its own with a tap between its stores and the actors that own them: while they are stopped, every call fails, probes included, the document store's at once and the vector store's when its caller gives up.",
      "Each answer of the load (all strategies, three collections, past the result cache) must say full mode and memory.",
    ],
    details: { ...outcome, result: { ...result, samples: result.samples.length } },
    plots: { outage: linePlot(`Searches while both stores are stopped, from ${times.quietMs / SECOND_MS} s on for ${times.outageMs / SECOND_MS} s`, "by second", bySecond(result)) }, // biome-ignore format: one call
  };
}

function count(samples: MixedResult["samples"], is: (sample: MixedSample) => boolean): number {
  return samples.filter(is).length;
}

function bySecond({ samples }: MixedResult) {
  const startMs = Math.min(...samples.map(({ atMs }) => atMs));
  const seconds: { answered: number; failed: number; slowestMs: number }[] = [];
  for (const { atMs, durationMs, waitedMs, fault } of samples) {
    const second = Math.floor((atMs - startMs) / SECOND_MS);
    while (seconds.length <= second) seconds.push({ answered: 0, failed: 0, slowestMs: 0 });
    const entry = seconds[second];
    if (entry === undefined) continue;
    entry[fault === null ? "answered" : "failed"] += 1;
    entry.slowestMs = Math.max(entry.slowestMs, durationMs + waitedMs);
  }
  return [
    { name: "answered in full", values: seconds.map(({ answered }) => answered) },
    { name: "failed or degraded", values: seconds.map(({ failed }) => failed) },
    { name: "slowest, ms", values: seconds.map(({ slowestMs }) => slowestMs) },
  ];
}

/** Wall time with parts of a ms, the same in every process of this machine. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
