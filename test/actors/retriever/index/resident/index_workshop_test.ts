import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildPage } from "../../../../../actors/retriever/index/resident/index_tasks.ts";
import { IndexWorkshop } from "../../../../../actors/retriever/index/resident/index_workshop.ts";
import { systemClock } from "../../../../../runtime/clock.ts";
import { ALL, idsOf, indexOf, openImage, rowOf } from "./index_rig.ts";

const test = suite("index workshop");
const never = new AbortController().signal;
const OPTIONS = { indexVersion: 3, language: "english", dimensions: 4, bitsFromRows: 20_000 };
const workshop = new IndexWorkshop({ maxQueue: 16, taskTimeoutMs: 60_000, maxRows: 100, clock: systemClock() });
test.after(() => workshop.close());

async function* pages(...sizes: readonly number[]): AsyncIterable<BuildPage> {
  let next = 0;
  for (const size of sizes) {
    const rows = Array.from({ length: size }, () => {
      const id = `d${next++}#0`;
      return rowOf({ id, text: `radio word${next}` });
    });
    yield { rows, parents: new Map(rows.map(({ parentId, text }) => [parentId ?? "", `All about ${text}`])) };
  }
}

test("IndexWorkshop builds an index of every row of every page", async () => {
  const index = openImage(await workshop.build(pages(3, 0, 4), OPTIONS, never));
  assert.is(index.indexVersion, 3);
  assert.is(index.liveRows, 7);
  const found = index.searchText("word5", ALL);
  assert.equal(idsOf(index, found), ["d4#0"]);
  const parent = index.parentText(found.rows[0] ?? 0);
  assert.is(parent instanceof Uint8Array ? new TextDecoder().decode(parent.slice()) : parent, ',"text":"All about radio word5"');
});

test("IndexWorkshop keeps builds apart that run at the same time", async () => {
  const images = await Promise.all([workshop.build(pages(2, 2), OPTIONS, never), workshop.build(pages(1, 1, 1), OPTIONS, never)]);
  assert.equal(
    images.map((image) => image.header.rows),
    [4, 3],
  );
});

test("IndexWorkshop refuses a build of more rows than allowed", async () => {
  assert.is(await workshop.build(pages(60, 60), OPTIONS, never).catch((error) => error.code), "storage_full");
});

test("IndexWorkshop fails a build with what its pages failed with, and starts the next one from nothing", async () => {
  const failing = async function* () {
    yield* pages(2);
    throw new RangeError("the scan broke off");
  };
  assert.match(await workshop.build(failing(), OPTIONS, never).catch((error) => error.message), /scan broke off/);
  assert.is((await workshop.build(pages(1), OPTIONS, never)).header.rows, 1);
});

test("IndexWorkshop rejects a cancelled build with cancelled", async () => {
  const controller = new AbortController();
  const cancelled = async function* () {
    yield* pages(1);
    controller.abort();
    yield* pages(1);
  };
  assert.is(await workshop.build(cancelled(), OPTIONS, controller.signal).catch((error) => error.code), "cancelled");
});

test("IndexWorkshop merges while the index is searched and written", async () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" }), rowOf({ id: "b#0", text: "radio" })]);
  index.replaceDocuments(["c"], [rowOf({ id: "c#0", text: "radio" })], 2);
  const merged = workshop.merge(index, never);
  index.replaceDocuments(["a"], [], 3);
  assert.equal(idsOf(index, index.searchText("radio", ALL)).sort(), ["b#0", "c#0"]);
  assert.is(await workshop.merge(index, never), false, "one at a time");
  assert.is(await merged, true);
  assert.equal(idsOf(index, index.searchText("radio", ALL)).sort(), ["b#0", "c#0"]);
  assert.equal([index.indexVersion, index.unmergedRows, index.isMerging], [3, 1, false]);
});

test("IndexWorkshop leaves an index fit for the next merge when one is cancelled", async () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" })]);
  index.replaceDocuments(["b"], [rowOf({ id: "b#0", text: "radio" })], 2);
  assert.is(await workshop.merge(index, AbortSignal.abort()).catch((error) => error.code), "cancelled");
  assert.not(index.isMerging);
  assert.is(await workshop.merge(index, never), true);
  assert.is(index.unmergedRows, 0);
});

test("IndexWorkshop has nothing to merge in an index without writes", async () => {
  assert.is(await workshop.merge(indexOf([rowOf({ id: "a#0", text: "radio" })]), never), false);
});

test("IndexWorkshop saves an image and loads it again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-workshop-"));
  try {
    const path = join(folder, "docs.index");
    const image = await workshop.build(pages(5), OPTIONS, never);
    assert.ok((await workshop.save(image, path, never)) > image.header.bytes);
    const outcome = await workshop.load(path, OPTIONS, never);
    assert.is(outcome.kind, "loaded");
    if (outcome.kind === "loaded") assert.is(openImage(outcome.image).searchText("radio", ALL).rows.length, 5);
    assert.is((await workshop.load(join(folder, "none.index"), OPTIONS, never)).kind, "missing");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.run();
