import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runKennel } from "../support/command_process.ts";
import { type KennelProcess, startKennel } from "../support/kennel_process.ts";
import { pdfOf } from "../support/pdf.ts";

interface Journey {
  kennel: KennelProcess;
  folder: string;
}

const test = suite<Journey>("the command line against a real node", {} as Journey);
const data = (name: string) => fileURLToPath(new URL(`../data/npl/${name}`, import.meta.url));

test.before(async (journey) => {
  journey.folder = await mkdtemp(join(tmpdir(), "kennel-journey-"));
  journey.kennel = await startKennel({ KENNEL_PROFILE: "test" });
});

test.after(async ({ kennel, folder }) => {
  await kennel?.stop();
  await rm(folder, { recursive: true, force: true });
});

const kennel = (journey: Journey, ...args: readonly string[]) => runKennel(args, { KENNEL_URL: journey.kennel.url });

test("A folder of documents is loaded, found, and not loaded twice", async (journey) => {
  const folder = join(journey.folder, "notes");
  await mkdir(join(folder, "deep"), { recursive: true });
  await writeFile(join(folder, "tides.md"), "# Tides\n\nThe moon pulls the sea, twice a day.\n");
  await writeFile(join(folder, "deep/volcano.html"), "<h1>Volcanoes</h1><p>Lava flows slowly downhill.</p>");
  await writeFile(join(folder, "paper.pdf"), pdfOf([["Glaciers carve valleys over centuries"]]));
  const first = await kennel(journey, "ingest", "notes", folder, "--json");
  assert.is(first.exitCode, 0, first.err);
  assert.is(JSON.parse(first.out).counts.indexed, 3);
  for (const [question, document] of [
    ["what does the moon do to the sea", "notes/tides.md"],
    ["how does lava flow", "deep/volcano.html"],
    ["what carves valleys", "notes/paper.pdf"],
  ] as const) {
    const found = await kennel(journey, "search", "notes", question, "--top-k", "1", "--json");
    assert.is(found.exitCode, 0, found.err);
    assert.is(JSON.parse(found.out).data[0].document_id, document);
  }
  const answered = await kennel(journey, "chat", "notes", "what does the moon do to the sea");
  assert.is(answered.exitCode, 0, answered.err);
  assert.match(answered.out, "The moon pulls the sea", "without a language model the passages are the answer");
  assert.match(answered.err, "(notes/tides.md)");
  const again = await kennel(journey, "ingest", "notes", folder, "--json");
  assert.is(JSON.parse(again.out).counts.unchanged, 3);
});

test("Judged queries reach the quality that the collection is known for, with every strategy", async (journey) => {
  const loaded = await kennel(journey, "ingest", "npl", data("corpus.jsonl"));
  assert.is(loaded.exitCode, 0, loaded.err);
  assert.match(loaded.out, "11429 documents (11429 indexed)");
  const judge = (...args: readonly string[]) =>
    kennel(journey, "eval", "npl", "--queries", data("queries.jsonl"), "--qrels", data("qrels.tsv"), ...args);
  const judged = await judge("--strategy", "vector", "bm25", "hybrid", "--json");
  assert.is(judged.exitCode, 0, judged.err);
  const { strategies, queries } = JSON.parse(judged.out);
  assert.is(queries, 93);
  for (const [strategy, atLeast] of [
    ["vector", 0.345],
    ["bm25", 0.42],
    ["hybrid", 0.445],
  ] as const) {
    assert.ok(strategies[strategy].ndcg_10.mean >= atLeast, `${strategy}: ${strategies[strategy].ndcg_10.mean}`);
    assert.is(strategies[strategy].degraded, 0);
  }
  assert.is((await judge("--min-ndcg", "0.99")).exitCode, 1);
});

test("Status shows the supervised actors, and warm readies a retriever", async (journey) => {
  const warmed = await kennel(journey, "warm", "notes");
  assert.is(warmed.exitCode, 0, warmed.err);
  const { exitCode, out } = await kennel(journey, "status");
  assert.is(exitCode, 0);
  for (const name of ["document_store", "vector_store", "embedding", "ingest", "retrievers", "notes"]) assert.match(out, name);
});

test("A collection that does not exist, and a server that is not there, end with exit code 1 and a reason", async (journey) => {
  const missing = await kennel(journey, "search", "nowhere", "why");
  assert.is(missing.exitCode, 1);
  assert.match(missing.err, "nowhere");
  const alone = await runKennel(["status"], { KENNEL_URL: "http://127.0.0.1:9" });
  assert.is(alone.exitCode, 1);
  assert.match(alone.err, "Cannot reach Kennel at http://127.0.0.1:9");
});

test.run();
