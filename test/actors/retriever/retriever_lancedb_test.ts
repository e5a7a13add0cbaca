import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openLanceDb } from "../../../actors/vector_store/lancedb.ts";
import type { ChunkRow } from "../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { textRow } from "./faulty_store.ts";
import { type RegistryRig, startRegistry } from "./registry/registry_rig.ts";
import { hitsOf, idsOf } from "./search_requests.ts";

const test = suite("retriever over LanceDB");
const never = new AbortController().signal;
const INDEX = { collection: "docs", version: 1 };
const ROWS: readonly ChunkRow[] = [
  textRow("a", "the cat sat with another cat", { attributes: { lang: "en" } }),
  textRow("b", "a dog chased the cat", { attributes: { lang: "en" } }),
  textRow("c", "ein bird im Baum", { attributes: { lang: "de" } }),
  textRow("d", "zebras have stripes", { attributes: { lang: "en" } }),
];

async function withLanceDb(body: (rig: RegistryRig, write: (rows: readonly ChunkRow[]) => Promise<void>) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "kennel-retriever-"));
  const store = await openLanceDb({ directory, maxOpenTables: 4, minVectorIndexRows: 20_000, retentionMs: 60_000, clock: systemClock() });
  const rig = startRegistry({}, { store });
  const write = (rows: readonly ChunkRow[]) =>
    store.replaceDocuments(
      INDEX,
      rows.map(({ documentId }) => documentId),
      rows,
      never,
    );
  try {
    await store.createIndex(INDEX, { dimensions: 4, language: "english", attributes: { lang: "string" } }, never);
    await write(ROWS);
    await body(rig, write);
  } finally {
    await rig.stop();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

test("Every strategy finds what it should in real tables", () =>
  withLanceDb(async ({ search }) => {
    assert.is(idsOf(await search({ query: "cat", strategy: "vector" }))[0], "a#0");
    assert.equal(idsOf(await search({ query: "zebra stripe", strategy: "bm25" })), ["d#0"]);
    const hybrid = await search({ query: "cat" });
    assert.is(idsOf(hybrid)[0], "a#0");
    assert.equal(hybrid.rest.degradations, []);
    assert.equal(hitsOf(hybrid)[0]?.attributes, { lang: "en" });
  }));

test("A filter holds in both branches", () =>
  withLanceDb(async ({ search }) => {
    for (const strategy of ["vector", "bm25", "hybrid"] as const) {
      const answer = await search({ query: "cat bird", strategy, filter: { type: "eq", key: "lang", value: "de" } });
      assert.equal(idsOf(answer), ["c#0"], strategy);
    }
  }));

test("What was written is found, and shown as it was written, by the first query after the refresh", () =>
  withLanceDb(async ({ search, registry, collections }, write) => {
    assert.is(hitsOf(await search({ query: "zebra", strategy: "bm25" }))[0]?.text, "zebras have stripes");
    await write([textRow("d", "zebras have no spots"), textRow("e", "fish and zebra")]);
    const record = collections.get("docs");
    assert.ok(record);
    collections.set("docs", { ...record, indexVersion: 2 });
    await registry.refresh("docs", 2);
    const after = await search({ query: "zebra", strategy: "bm25" });
    assert.is(after.rest.index_version, 2);
    assert.equal(Object.fromEntries(hitsOf(after).map(({ id, text }) => [id, text])), {
      "d#0": "zebras have no spots",
      "e#0": "fish and zebra",
    });
  }));

test("A collection without a table is empty while nothing was put into it", () =>
  withLanceDb(async ({ search, put }) => {
    put("blank", { chunks: 0, documents: 0 });
    const answer = await search({ collection: "blank" });
    assert.equal([idsOf(answer), answer.rest.degradations], [[], []]);
  }));

test.run();
