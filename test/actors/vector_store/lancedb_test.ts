import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LanceDbOptions, openLanceDb } from "../../../actors/vector_store/lancedb.ts";
import type { IndexName, IndexSchema, SearchOptions } from "../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { chunkRow, unitVector } from "./chunk_rows.ts";
import { rejects, type Store, vectorStoreContract } from "./vector_store_contract.ts";

const directories = new Map<Store, string>();

async function openIn(directory: string, options: Partial<LanceDbOptions> = {}): Promise<Store> {
  const store = await openLanceDb({
    directory,
    maxOpenTables: 4,
    minVectorIndexRows: 20_000,
    retentionMs: 60_000,
    clock: systemClock(),
    ...options,
  });
  directories.set(store, directory);
  return store;
}

async function openAnew(options: Partial<LanceDbOptions> = {}): Promise<Store> {
  return openIn(await mkdtemp(join(tmpdir(), "kennel-lancedb-")), options);
}

async function closeAndRemove(store: Store): Promise<void> {
  await store.close();
  await rm(directories.get(store) as string, { recursive: true, force: true });
}

vectorStoreContract("LanceDB", { open: openAnew, close: closeAndRemove, skip: [], propertyRuns: 25 });

const lancedb = suite("lancedb's own");
const never = new AbortController().signal;
const index: IndexName = { collection: "docs", version: 1 };
const schema: IndexSchema = { dimensions: 4, language: "english", attributes: { year: "number" } };
const ALL: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };

lancedb("A store opened again finds what was written", async () => {
  const first = await openAnew();
  await first.createIndex(index, schema, never);
  await first.replaceDocuments(index, ["a"], [chunkRow("a", 0, { attributes: { year: 2024 } })], never);
  await first.close();
  const again = await openIn(directories.get(first) as string);
  const filter = { type: "eq", key: "year", value: 2024 } as const;
  assert.equal((await again.searchText(index, "word", { ...ALL, filter }, never)).length, 1);
  await closeAndRemove(again);
});

lancedb("An index whose making was cut short is completed by making it again", async () => {
  const store = await openAnew();
  await store.createIndex(index, schema, never);
  const { connect } = await import("@lancedb/lancedb");
  const connection = await connect(directories.get(store) as string);
  const table = await connection.openTable("docs.v1");
  for (const { name } of await table.listIndices()) await table.dropIndex(name);
  await store.createIndex(index, schema, never);
  await table.checkoutLatest();
  assert.equal((await table.listIndices()).map(({ name }) => name).sort(), ["document_id_idx", "id_idx", "index_text_idx"]);
  await closeAndRemove(store);
});

lancedb("More indexes than tables may be held open are all searched at once", async () => {
  const store = await openAnew({ maxOpenTables: 1 });
  const indexes = [1, 2, 3, 4, 5].map((version) => ({ collection: "docs", version }));
  for (const each of indexes) {
    await store.createIndex(each, schema, never);
    await store.replaceDocuments(each, ["a"], [chunkRow("a", each.version)], never);
  }
  const answers = await Promise.all([...indexes, ...indexes].map((each) => store.searchText(each, "word", ALL, never)));
  assert.equal(
    answers.map(([hit]) => hit?.id),
    [...indexes, ...indexes].map(({ version }) => `a#${version}`),
  );
  await closeAndRemove(store);
});

lancedb("Optimizing removes old states, so that rewriting a document again and again does not fill the disk", async () => {
  const store = await openAnew({ retentionMs: 0 });
  await store.createIndex(index, schema, never);
  const countFiles = async () => {
    const entries = await readdir(directories.get(store) as string, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).length; // LanceDB leaves the empty folders of old indexes
  };
  const rewrite = async () => {
    for (let round = 0; round < 8; round += 1) await store.replaceDocuments(index, ["a"], [chunkRow("a", 0, { title: `${round}` })], never);
    await store.optimize(index, never);
    await store.optimize(index, never);
    return countFiles();
  };
  const filesBefore = await rewrite();
  await rewrite();
  const filesAfter = await rewrite();
  assert.ok(filesAfter <= filesBefore + 4, `files grew from ${filesBefore} to ${filesAfter}`);
  await closeAndRemove(store);
});

lancedb(
  "Above its size the graph index finds nearly all that the exact search finds, with its scores, under filters, among fresh rows and rows without vectors",
  async () => {
    const random = seededRandom(3);
    const randomVector = () => unitVector(...Array.from({ length: 16 }, () => random.next() - 0.5));
    const rows = Array.from({ length: 1500 }, (_, place) =>
      chunkRow(`d${place}`, 0, { vector: place % 50 === 0 ? null : randomVector(), attributes: { year: place % 100 } }),
    );
    const [exact, graph] = await Promise.all([openAnew(), openAnew({ minVectorIndexRows: 1000 })]);
    for (const store of [exact, graph]) {
      await store.createIndex(index, { ...schema, dimensions: 16 }, never);
      for (const start of [0, 700]) {
        const part = rows.slice(start, start + 700);
        await store.replaceDocuments(index, part.map((row) => row.documentId), part, never); // biome-ignore format: a pair
      }
      await store.optimize(index, never);
      const fresh = rows.slice(1400);
      await store.replaceDocuments(index, fresh.map((row) => row.documentId), fresh, never); // biome-ignore format: a pair
    }
    let found = 0;
    let wanted = 0;
    for (const filter of [null, { type: "lt", key: "year", value: 3 }, { type: "lt", key: "year", value: 50 }] as const) {
      for (let query = 0; query < 10; query += 1) {
        const vector = randomVector();
        const options = { limit: 20, needed: null, filter, notBeforeMs: null };
        const truth = await exact.searchVector(index, vector, options, never);
        const scores = new Map((await graph.searchVector(index, vector, options, never)).map(({ id, score }) => [id, score]));
        assert.is(scores.size, truth.length);
        wanted += truth.length;
        for (const { id, score } of truth) {
          const graphScore = scores.get(id);
          if (graphScore === undefined) continue;
          found += 1;
          assert.ok(Math.abs(graphScore - score) < 1e-5, `the cosine ${score} comes out as ${graphScore}`);
        }
      }
    }
    assert.ok(found / wanted >= 0.95, `recall is ${found / wanted}`);
    await Promise.all([exact, graph].map(closeAndRemove));
  },
);

lancedb("A failure of the disk is unavailable and tells no path", async () => {
  const store = await openAnew();
  await store.createIndex(index, schema, never);
  await store.replaceDocuments(index, ["a"], [chunkRow("a", 0)], never);
  await rm(directories.get(store) as string, { recursive: true });
  const error = await rejects(store.fetchChunks(index, ["a#0"], never), "unavailable");
  assert.not.match(error.message, "/");
  const missing = await rejects(store.countRows({ collection: "other", version: 1 }, never), "not_found");
  assert.not.match(missing.message, "/");
  await closeAndRemove(store);
});

lancedb("An index name that could leave the store's directory is refused", async () => {
  const store = await openAnew();
  for (const collection of ["../x", "a/b", "a.v1", "", "a\0"]) {
    await rejects(store.createIndex({ collection, version: 1 }, schema, never), "invalid_request");
  }
  await closeAndRemove(store);
});

lancedb.run();
