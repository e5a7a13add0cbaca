import { spawn } from "node:child_process";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments, recombine } from "./harness/corpus.ts";
import { pause } from "./harness/kennel_client.ts";
import type { KennelServer } from "./harness/kennel_server.ts";

/**
 * A large collection is backed up while its node serves, the backup is verified, the data folder is thrown away, and the backup
 * restored into another: every search must be answered as before, hit by hit and score by score.
 */
export const backupBenchmark: Benchmark = { name: "backup", title: "A large collection restored from its backup", run };

const LAUNCHER = fileURLToPath(new URL("../tooling/launch.mjs", import.meta.url));
const COLLECTION = "kept";
const STRATEGIES = ["hybrid", "vector", "bm25", "parent_document"] as const;
const QUERIES = 250;
const DOCUMENTS_AT_ONCE = 10_000;
const MEGABYTE = 1e6;

async function run(context: BenchContext): Promise<Report> {
  const count = context.isQuick ? 2_000 : 100_000;
  const documents = recombine(await nplDocuments(), count);
  const queries = loadQueries(documents, context.isQuick ? 25 : QUERIES);
  const file = join(context.workFolder, "kept.backup");
  const first = await context.startKennel();
  await first.call("PUT", `/v1/collections/${COLLECTION}`, {});
  for (let from = 0; from < count; from += DOCUMENTS_AT_ONCE) {
    context.progress(`loaded ${from} of ${count} documents`);
    await first.ingest(COLLECTION, documents.slice(from, from + DOCUMENTS_AT_ONCE));
  }
  await first.resident(COLLECTION);
  const { chunks } = await first.call<{ chunks: number }>("GET", `/v1/collections/${COLLECTION}`);
  const before = await ask(first, queries, context, "before");
  context.progress("backing up");
  const backupMs = await timed(() => command(["backup", file], first.folder));
  context.progress("verifying");
  const verifyMs = await timed(() => command(["backup", "verify", file], first.folder));
  await first.stop();
  await rm(first.folder, { recursive: true });
  const folder = join(context.workFolder, "restored");
  context.progress("restoring");
  const restoreMs = await timed(() => command(["restore", file], folder));
  context.progress("building the index from what was restored");
  const startedMs = performance.now();
  const second = await context.startKennel({ folder });
  await built(second, context);
  await second.resident(COLLECTION);
  const buildMs = performance.now() - startedMs;
  const after = await ask(second, queries, context, "after");
  const differing = before.filter((answer, place) => answer !== after[place]).length;
  const { size } = await stat(file);
  return {
    figures: [
      plain("chunks", chunks, "chunks"),
      plain("searches compared", before.length, "searches"),
      atMost("searches answered otherwise after the restore", differing + Math.abs(before.length - after.length), "searches", 0),
      plain("backup", size / MEGABYTE, "MB"),
      plain("backup, while the node serves", backupMs / 1_000, "s"),
      plain("verifying it", verifyMs / 1_000, "s"),
      plain("restoring it into an empty folder", restoreMs / 1_000, "s"),
      plain("from the start on it until memory answers", buildMs / 1_000, "s"),
      plain("restore to first full answer, in all", (restoreMs + buildMs) / 1_000, "s"),
    ],
    notes: [
      `The documents are NPL's abstracts and recombinations of them. Compared are the first ten hits of ${STRATEGIES.join(", ")} for each query, with ids, scores, texts, and the modes.`,
      "A backup holds documents and no indexes: what follows a restore is mostly parsing, embedding and indexing them anew.",
    ],
    details: { chunks, size, backupMs, verifyMs, restoreMs, buildMs, differing },
  };
}

/** Waits until the index that the restore left out is built, however long that takes on a busy machine. */
async function built(server: KennelServer, { signal }: BenchContext): Promise<void> {
  for (;;) {
    const { versions } = await server.call<{ versions: readonly { status: string }[] }>("GET", `/v1/collections/${COLLECTION}`);
    const searched = await server.statusOf("POST", `/v1/collections/${COLLECTION}/search`, { query: "is it built?" });
    if (searched === 200 && versions.every(({ status }) => status !== "building")) return;
    signal.throwIfAborted();
    await pause(200);
  }
}

/** What each strategy answers to each query, as text to be compared. */
async function ask(server: KennelServer, queries: readonly string[], context: BenchContext, when: string): Promise<readonly string[]> {
  const answers: string[] = [];
  for (const [place, query] of queries.entries()) {
    if (place % 25 === 0) context.progress(`${when}: asked ${place} of ${queries.length} queries`);
    for (const strategy of STRATEGIES) {
      const body = { query, strategy, top_k: 10, include: ["text", "attributes", "scores"] };
      const { data, mode } = await server.call<{ data: unknown; mode: string }>("POST", `/v1/collections/${COLLECTION}/search`, body);
      answers.push(JSON.stringify([mode, data]));
    }
  }
  return answers;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** A command as people run it. Rejects with what it has said when it fails. */
function command(args: readonly string[], folder: string): Promise<void> {
  const child = spawn("node", [LAUNCHER, ...args], {
    env: { ...process.env, KENNEL_DATA_DIR: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`kennel ${args.join(" ")} ended with ${code}: ${said.slice(-500)}`)),
    );
  });
}
