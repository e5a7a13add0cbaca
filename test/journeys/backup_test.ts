import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../actors/retriever/search.ts";
import { runKennel } from "../support/command_process.ts";
import { pdfOf } from "../support/pdf.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const test = suite<{ folder: string; file: string; kept: Kept }>("a backup", { folder: "", file: "", kept: { answers: [], papers: [] } });
const data = (name: string) => readFile(fileURLToPath(new URL(`../data/npl/${name}`, import.meta.url)), "utf8");
const DOCUMENTS = 1_500;
const QUERIES = 25;

interface Kept {
  readonly answers: readonly string[];
  readonly papers: readonly string[];
}

async function lines(name: string, limit: number): Promise<readonly { _id: string; title?: string; text: string }[]> {
  const text = await data(name);
  return text.split("\n", limit).map((line) => JSON.parse(line));
}

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 8);

/** Fails with the first answer that differs. */
function assertSame(answers: readonly string[], kept: readonly string[]): void {
  assert.is(answers.length, kept.length);
  for (const [place, answer] of answers.entries()) assert.is(answer, kept[place]);
}

/** What every strategy answers to each query, with scores, as text to be compared. */
async function ask(caller: Caller, collection: string): Promise<readonly string[]> {
  await until(`${collection} is in memory`, () => isResident(caller, collection));
  const answers: string[] = [];
  for (const { text } of await lines("queries.jsonl", QUERIES)) {
    for (const strategy of ["hybrid", "vector", "bm25", "parent_document"]) {
      const body = { query: text, strategy, top_k: 10, include: ["text", "attributes", "scores"] };
      const { data: hits, mode } = await caller.search(collection, body);
      const shown = hits.map((hit) => `${hit.id} ${hit.score} ${digestOf(JSON.stringify(hit))}`);
      answers.push([`${strategy} ${mode}: ${text}`, ...shown].join("\n"));
    }
  }
  return answers;
}

/** Whether the index in memory answers, whose scores are the same however its rows came to it. */
async function isResident(caller: Caller, collection: string): Promise<boolean> {
  const { status, body } = await caller.send<SearchAnswer>("POST", `/v1/collections/${collection}/search`, {
    query: `signal ${performance.now()}`, // another each time: a kept answer would say what answered it then
  });
  return status === 200 && body.degradations.length === 0 && body.freshness.index === "resident";
}

async function fill(caller: Caller): Promise<void> {
  const corpus = await lines("corpus.jsonl", DOCUMENTS);
  await caller.makeCollection("npl", { chunking: { max_tokens: 64, overlap_tokens: 8, parent_tokens: 128 } });
  for (let from = 0; from < corpus.length; from += 500) {
    const documents = corpus.slice(from, from + 500).map(({ _id, title, text }, place) => ({
      id: _id,
      ...(title === undefined ? {} : { title }),
      text,
      attributes: { place: from + place },
      principals: place % 2 === 0 ? ["staff"] : [],
    }));
    assert.is((await caller.addDocuments("npl", documents)).status, "completed");
  }
  await caller.must("PUT", "/v1/aliases/abstracts", { collection: "npl" });
  await caller.makeCollection("papers", { language: "none", fusion: { type: "rrf" } });
  const vector = Array.from({ length: 256 }, (_, place) => Math.cos(place));
  await caller.addDocuments("papers", [{ id: "own", title: "Own vector", text: "brought along", vector, url: "https://example.org/own" }]);
  const form = new FormData();
  form.append(
    "files",
    new Blob([Uint8Array.from(pdfOf([["Glaciers carve valleys over centuries"]]))], { type: "application/pdf" }),
    "glacier.pdf",
  );
  form.append("id", "paper-1");
  form.append("title", "On ice");
  await caller.jobEnded(await caller.must("POST", "/v1/collections/papers/documents", form));
  await caller.makeCollection("pairs");
}

/** Replaces two documents in one request, again and again: whoever sees one generation of the first sees the same of the second. */
async function keepWriting(caller: Caller, signal: AbortSignal): Promise<number> {
  let generation = 0;
  while (!signal.aborted) {
    generation += 1;
    const documents = ["left", "right"].map((id) => ({ id, text: `generation ${generation}`, attributes: { generation } }));
    await caller.addDocuments("pairs", documents);
  }
  return generation;
}

test.before(async (state) => {
  state.folder = await mkdtemp(join(tmpdir(), "kennel-backup-"));
});

test.after(({ folder }) => rm(folder, { recursive: true, force: true }));

test("While the node serves and writes, its data folder is copied into one file with its digest", async (state) => {
  state.file = join(state.folder, "monday.backup");
  await onNode({ KENNEL_LOAD_DOCUMENTATION: "false" }, async ({ caller, dataDir }) => {
    await fill(caller);
    const ended = new AbortController();
    const writing = keepWriting(caller, ended.signal);
    const made = await runKennel(["backup", state.file, "--json"], { KENNEL_DATA_DIR: dataDir }).finally(() => ended.abort());
    assert.ok((await writing) > 1, "it was written to meanwhile");
    assert.is(made.err, "");
    assert.is(made.exitCode, 0);
    const { collections, bytes, sha256 } = JSON.parse(made.out);
    assert.equal(
      collections.map(({ name }: { name: string }) => name),
      ["npl", "pairs", "papers"],
    );
    assert.is(collections[0].documents, DOCUMENTS);
    const { size, mode } = await stat(state.file);
    assert.equal([size, mode & 0o777], [bytes, 0o600], "it holds every document: it is its owner's alone");
    assert.is(await readFile(`${state.file}.sha256`, "utf8"), `${sha256}  monday.backup\n`);
    assert.equal((await readdir(state.folder)).sort(), ["monday.backup", "monday.backup.sha256"]);
    state.kept = { answers: await ask(caller, "npl"), papers: await ask(caller, "papers") };

    const again = await runKennel(["backup", state.file], { KENNEL_DATA_DIR: dataDir });
    assert.is(again.exitCode, 2);
    assert.match(again.err, "exists");
    const busy = await runKennel(["restore", state.file], { KENNEL_DATA_DIR: dataDir });
    assert.is(busy.exitCode, 1);
    assert.match(busy.err, "another Kennel process holds it");
  });
});

test("A node on the restored folder builds its indexes and answers every search as the first one did", async ({ file, kept }) => {
  await onNode({ KENNEL_LOAD_DOCUMENTATION: "false" }, async (rig) => {
    await rig.restart(async () => {
      const full = await runKennel(["restore", file], { KENNEL_DATA_DIR: rig.dataDir });
      assert.is(full.exitCode, 1);
      assert.match(full.err, /it holds \S+\. Name another folder/);
      await rm(rig.dataDir, { recursive: true });
      await mkdir(join(rig.dataDir, "lost+found"), { recursive: true }); // as at the root of a new file system
      const restored = await runKennel(["restore", file, "--json"], { KENNEL_DATA_DIR: rig.dataDir });
      assert.is(restored.exitCode, 0, restored.err);
      assert.is(JSON.parse(restored.out).node, JSON.parse(await readFile(join(rig.dataDir, "restored_settings.json"), "utf8")).nodeName);
    });
    const { caller } = rig;
    assertSame(await ask(caller, "npl"), kept.answers);
    assertSame(await ask(caller, "papers"), kept.papers);
    assertSame(await ask(caller, "abstracts"), kept.answers);
    const pair = await Promise.all(
      ["left", "right"].map((id) => caller.must<{ attributes: { generation: number } }>("GET", `/v1/collections/pairs/documents/${id}`)),
    );
    assert.is(pair[0]?.attributes.generation, pair[1]?.attributes.generation, "it is of one moment");
  });
});

test("One collection goes to a node that runs, under another name, and is found as before", async ({ file, kept }) => {
  await onNode({ KENNEL_LOAD_DOCUMENTATION: "false" }, async ({ caller }) => {
    const restore = (...args: readonly string[]) => runKennel(["restore", file, ...args], { KENNEL_URL: caller.url });
    const restored = await restore("--collection", "npl", "--as", "again", "--json");
    assert.is(restored.exitCode, 0, restored.err);
    assert.is(JSON.parse(restored.out).counts.indexed, DOCUMENTS);
    assertSame(await ask(caller, "again"), kept.answers);
    const { settings } = await caller.collection("again");
    assert.equal(settings.chunking, { max_tokens: 64, overlap_tokens: 8, parent_tokens: 128 });
    assert.is((await restore("--collection", "papers")).exitCode, 0);
    assert.equal(await caller.found("papers", { query: "what carves valleys", top_k: 1 }), ["paper-1"]);

    const taken = await restore("--collection", "papers");
    assert.is(taken.exitCode, 1);
    assert.match(taken.err, 'There is a collection "papers"');
    const unknown = await restore("--collection", "nothing");
    assert.is(unknown.exitCode, 1);
    assert.match(unknown.err, "it has npl, pairs, papers");
  });
});

test("A backup that is cut, changed or none at all is refused, and nothing is left in the folder", async ({ folder, file }) => {
  const target = { KENNEL_DATA_DIR: join(folder, "empty") };
  const changed = join(folder, "changed.backup");
  await copyFile(file, changed);
  await copyFile(`${file}.sha256`, `${changed}.sha256`);
  const handle = await open(changed, "r+");
  const { size } = await handle.stat();
  await handle.write(Buffer.from([0x5a]), 0, 1, size - 100);
  await handle.close();
  const wrong = await runKennel(["restore", changed], target);
  assert.is(wrong.exitCode, 1);
  assert.match(wrong.err, "is damaged: its SHA-256 is not the one in");

  const cut = join(folder, "cut.backup");
  await writeFile(cut, (await readFile(file)).subarray(0, Math.floor(size / 2)));
  const half = await runKennel(["restore", cut], target);
  assert.is(half.exitCode, 1);
  assert.match(half.err, /Cannot use the backup|cannot use its file/);

  const other = join(folder, "other.txt");
  await writeFile(other, "this is no database, and never was one\n".repeat(200));
  const none = await runKennel(["restore", other], target);
  assert.is(none.exitCode, 1);
  assert.match(none.err, /Cannot use the backup|cannot use its file/);
  assert.is((await runKennel(["restore", join(folder, "nowhere")], target)).exitCode, 2);
  assert.equal(await readdir(target.KENNEL_DATA_DIR).catch(() => []), []);
});

test("Where documents are in MongoDB, its own tools are named; where there is nothing, that is said", async ({ folder }) => {
  const elsewhere = await runKennel(["backup", join(folder, "x")], { KENNEL_MONGODB_URL: "mongodb://127.0.0.1:27017" });
  assert.is(elsewhere.exitCode, 2);
  assert.match(elsewhere.err, "mongodump");
  const nothing = await runKennel(["backup", join(folder, "x")], { KENNEL_DATA_DIR: join(folder, "empty") });
  assert.is(nothing.exitCode, 1);
  assert.match(nothing.err, "nothing to back up");
  const nowhere = await runKennel(["restore", join(folder, "x"), "--as", "y"], {});
  assert.is(nowhere.exitCode, 2);
});

test.run();
