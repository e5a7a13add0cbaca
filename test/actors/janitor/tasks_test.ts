import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { storeTasks } from "../../../actors/janitor/tasks.ts";
import type { UpkeepTask } from "../../../actors/janitor/upkeep_task.ts";
import { SETTINGS } from "../document_store/documents.ts";
import { type IngestParts, openIngest, signal } from "../ingest/ingest_parts.ts";
import { chunkRow } from "../vector_store/chunk_rows.ts";

const tasks = suite<{ parts: IngestParts; task: (name: string) => UpkeepTask }>("janitor tasks");
tasks.before(async (context) => {
  const parts = await openIngest();
  context.parts = parts;
  // The stores stamp documents with real time, so the tasks' clock runs an hour ahead of that.
  const clock = { ...parts.clock, wallMs: () => Date.now() + 3_600_000 };
  const list = storeTasks({
    ...parts,
    intervalMs: 60_000,
    orphanIntervalMs: 3_600_000,
    draftFolders: [join(parts.folder, "drafts"), join(parts.folder, "nowhere")],
    maxExpiredDocuments: 3,
    maxFinishedJobs: 1,
    maxJobAgeMs: 7 * 86_400_000,
    retiredVersionMs: 1_800_000,
    clock,
  });
  context.task = (name) => {
    const found = list.find((task) => task.name === name);
    if (found === undefined) throw new Error(`no task ${name}`);
    return found;
  };
});
tasks.before.each(async ({ parts }) => void (await parts.catalog.put("docs", { ...SETTINGS, ttlSeconds: 1800 }, signal)));
tasks.after.each(async ({ parts }) => void (await parts.catalog.delete("docs", signal)));
tasks.after(({ parts }) => parts.close());

async function load(parts: IngestParts, ids: readonly string[], collection = "docs"): Promise<void> {
  const documents = ids.map((id) => ({
    id,
    title: id,
    url: "",
    attributes: {},
    principals: [],
    vector: null,
    source: { kind: "text" as const, text: `about ${id}`, format: "text" as const },
  }));
  await parts.finished((await parts.ingest.accept(collection, documents, signal)).id);
}

tasks("Documents past their time to live leave both stores, so many in a run; without one they stay", async ({ parts, task }) => {
  await parts.catalog.put("kept", SETTINGS, signal);
  await load(parts, ["a", "b", "c", "d"]);
  await load(parts, ["a"], "kept");
  assert.is(await task("remove_expired").run(signal, false), 3);
  assert.is(await task("remove_expired").run(signal, false), 1);
  assert.is((await parts.rows("docs")).length, 0);
  assert.is((await parts.rows("kept")).length, 1);
  assert.is(parts.catalog.require("docs").record.documents, 0);
  await parts.catalog.delete("kept", signal);
});

tasks("A removal that stopped between the stores is finished in both", async ({ parts, task }) => {
  await load(parts, ["a", "b"]);
  await parts.documents.markDeleting("docs", ["a"], signal);
  assert.is(await task("finish_removals").run(signal, false), 1);
  assert.equal(
    (await parts.rows("docs")).map((row) => row.documentId),
    ["b"],
  );
  assert.is(await task("finish_removals").run(signal, false), 0);
});

tasks("A collection whose removal stopped half-way is removed", async ({ parts, task }) => {
  await parts.catalog.put("leaving", SETTINGS, signal);
  await parts.documents.beginDeleteCollection("leaving", signal);
  assert.is(await task("finish_deletions").run(signal, false), 1);
  assert.equal(await parts.documents.deletingCollections(10, signal), []);
});

tasks("Finished jobs beyond the newest are pruned", async ({ parts, task }) => {
  await load(parts, ["a"]);
  await load(parts, ["b"]);
  await load(parts, ["c"]);
  assert.is(await task("prune_jobs").run(signal, false), 2);
});

tasks("An index that changed too little for its job to optimise it is optimised once", async ({ parts, task }) => {
  await load(
    parts,
    Array.from({ length: 30 }, (_, place) => `b${place}`),
  );
  assert.is(await task("optimize_indexes").run(signal, false), 0);
  await load(parts, ["a"]);
  assert.equal(await parts.ingest.changedCollections(signal), ["docs"]);
  assert.is(await task("optimize_indexes").run(signal, false), 1);
  assert.is(await task("optimize_indexes").run(signal, false), 0);
  assert.is((await parts.rows("docs")).length, 31);
});

tasks("A build that another has replaced goes after its time, unless an alias pins it", async ({ parts, task }) => {
  const { language, embedding, chunking } = SETTINGS;
  await load(parts, ["a"]);
  await parts.finished((await parts.ingest.reindex("docs", { language, embedding, chunking }, signal)).id);
  await parts.catalog.refresh("docs", signal); // the job is done in the store before it is here
  await parts.catalog.putAlias({ alias: "before", collection: "docs", version: 1 }, signal);
  assert.is(await task("drop_versions").run(signal, false), 0);
  await parts.catalog.deleteAlias("before", signal);
  assert.is(await task("drop_versions").run(signal, false), 1);
  const { record } = parts.catalog.require("docs");
  assert.equal([record.version, record.versions], [2, []]);
});

tasks("Indexes that no collection has are dropped, those of builds stay", async ({ parts, task }) => {
  const { language, embedding, chunking } = SETTINGS;
  await load(parts, ["a"]);
  await parts.finished((await parts.ingest.reindex("docs", { language, embedding, chunking }, signal)).id);
  await parts.catalog.refresh("docs", signal);
  const schema = { dimensions: 256, language: "english", attributes: {} };
  await parts.vectors.createIndex({ collection: "docs", version: 7 }, schema, signal);
  await parts.vectors.createIndex({ collection: "gone", version: 1 }, schema, signal);
  assert.is(await task("remove_orphans").run(signal, false), 2);
  const left = (await parts.vectors.ownIndexes(signal)).filter(({ collection }) => collection !== "kept");
  assert.equal(left.map(({ collection, version }) => `${collection} ${version}`).sort(), ["docs 1", "docs 2"]);
  assert.is(await task("remove_orphans").run(signal, false), 0);
});

tasks("Rows of documents that the document store does not know leave the index, and no others", async ({ parts, task }) => {
  await load(parts, ["a", "b"]);
  const { record } = parts.catalog.require("docs");
  const index = { collection: "docs", version: record.version };
  const rows = ["x", "y"].map((id) => chunkRow(id, 0, { vector: null, attributes: {} }));
  await parts.vectors.replaceDocuments(index, ["x", "y"], rows, signal);
  assert.is((await parts.rows("docs")).length, 4);
  assert.is(await task("remove_orphans").run(signal, false), 2);
  assert.equal((await parts.rows("docs")).map((row) => row.documentId).sort(), ["a", "b"]);
});

tasks("Drafts that a process left behind a day ago are removed, those under way and whole files stay", async ({ parts, task }) => {
  const folder = join(parts.folder, "drafts");
  await mkdir(folder);
  for (const name of ["old.part", "old.draft", "new.part", "whole.backup"]) await writeFile(join(folder, name), "x");
  const longAgo = new Date(Date.now() - 2 * 86_400_000);
  for (const name of ["old.part", "old.draft", "whole.backup"]) await utimes(join(folder, name), longAgo, longAgo);
  assert.is(await task("remove_orphans").run(signal, false), 2);
  assert.equal((await readdir(folder)).sort(), ["new.part", "whole.backup"]);
});

tasks.run();
