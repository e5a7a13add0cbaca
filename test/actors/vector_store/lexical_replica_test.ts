import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openLanceDb } from "../../../actors/vector_store/lancedb.ts";
import { LexicalReplica, wholeDocuments } from "../../../actors/vector_store/lexical_replica.ts";
import { ReplicaLevels } from "../../../actors/vector_store/replica_levels.ts";
import type { ChunkRow, IndexName, IndexSchema, SearchOptions } from "../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { chunkRow, unitVector } from "./chunk_rows.ts";
import { rejects, type Store, vectorStoreContract } from "./vector_store_contract.ts";

const never = new AbortController().signal;
const index: IndexName = { collection: "docs", version: 1 };
const schema: IndexSchema = { dimensions: 4, language: "english", attributes: {} };
const ALL: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };

interface Pair {
  readonly folder: string;
  readonly schemas: Map<string, IndexSchema>;
  readonly store: Store;
  readonly replica: Store;
  /** Of the collection, as the document store would tell it. */
  indexVersion: number;
}

const folders = new Map<Store, string>();

async function openPair(): Promise<Pair> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-replica-"));
  const open = (name: string) =>
    openLanceDb({ directory: join(folder, name), maxOpenTables: 8, minVectorIndexRows: 20_000, retentionMs: 60_000, clock: systemClock() });
  return { folder, schemas: new Map(), store: await open("store"), replica: await open("replica"), indexVersion: 0 };
}

/** LanceDB as a store whose server would not rank texts, and LanceDB beside it. */
function joined(pair: Pair): LexicalReplica {
  const { folder, schemas, store, replica } = pair;
  const remembering: Store = Object.assign(Object.create(store) as Store, {
    createIndex: (name: IndexName, made: IndexSchema, signal: AbortSignal) => {
      schemas.set(JSON.stringify(name), made);
      return store.createIndex(name, made, signal);
    },
    searchText: () => assert.unreachable("the store was asked for texts"),
  });
  const both = new LexicalReplica({
    store: bound(remembering, store),
    replica,
    levels: new ReplicaLevels(join(folder, "levels")),
    indexVersionOf: async () => pair.indexVersion,
    describe: async (name, signal) => {
      await store.countRows(name, signal);
      return { schema: schemas.get(JSON.stringify(name)) ?? schema, hasText: false };
    },
  });
  folders.set(both, folder);
  return both;
}

/** A class with private fields does not take another `this`. */
function bound(over: Store, store: Store): Store {
  return {
    createIndex: over.createIndex,
    searchText: over.searchText,
    dropIndex: (...call) => store.dropIndex(...call),
    extendSchema: (...call) => store.extendSchema(...call),
    replaceDocuments: (...call) => store.replaceDocuments(...call),
    searchVector: (...call) => store.searchVector(...call),
    fetchChunks: (...call) => store.fetchChunks(...call),
    scan: (...call) => store.scan(...call),
    countRows: (...call) => store.countRows(...call),
    optimize: (...call) => store.optimize(...call),
    ownIndexes: (...call) => store.ownIndexes(...call),
    probe: (...call) => store.probe(...call),
    close: () => store.close(),
  };
}

async function closeAndRemove(store: Store): Promise<void> {
  await store.close();
  await rm(folders.get(store) as string, { recursive: true, force: true });
}

vectorStoreContract("LanceDB with a lexical replica", {
  open: async () => joined(await openPair()),
  close: closeAndRemove,
  skip: [],
  propertyRuns: 5,
});

const test = suite("lexical replica");

async function untilAnswered<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: string }).code !== "unavailable") throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

async function untilLevel({ folder }: Pair, indexVersion: number): Promise<void> {
  const levels = new ReplicaLevels(join(folder, "levels"));
  while ((await levels.read(index)) !== indexVersion) await new Promise((resolve) => setImmediate(resolve));
}

test("A replica that is missing or has another number of rows is filled before it answers", async () => {
  const pair = await openPair();
  await pair.store.createIndex(index, schema, never);
  const ids = Array.from({ length: 30 }, (_, place) => `d${place}`);
  await pair.store.replaceDocuments(index, ids, ids.map((id) => chunkRow(id, 0)), never); // biome-ignore format: one call
  const both = joined(pair);
  await rejects(both.searchText(index, "word", ALL, never), "unavailable");
  assert.is((await untilAnswered(() => both.searchText(index, "word", ALL, never))).length, 30);
  await pair.replica.replaceDocuments(index, ["d0"], [], never);
  const again = joined(pair);
  assert.is((await untilAnswered(() => again.searchText(index, "word", ALL, never))).length, 30);
  await closeAndRemove(again);
});

test("A replica of as many rows is filled again unless it is known to be of the newest index version", async () => {
  const pair = await openPair();
  const first = joined(pair);
  await first.createIndex(index, schema, never);
  await first.replaceDocuments(index, ["a"], [chunkRow("a", 0)], never);
  pair.indexVersion = 1;
  await first.changed("docs", 1);
  const level = joined(pair);
  assert.is((await level.searchText(index, "word", ALL, never)).length, 1, "it is level, and searched at once");

  // Another node has replaced the document: the number of rows says nothing.
  await pair.store.replaceDocuments(index, ["a"], [chunkRow("a", 0, { indexText: "fresh" })], never);
  pair.indexVersion = 2;
  const behind = joined(pair);
  await rejects(behind.searchText(index, "fresh", ALL, never), "unavailable");
  assert.is((await untilAnswered(() => behind.searchText(index, "fresh", ALL, never))).length, 1);
  await untilLevel(pair, 2);

  // A write that was cut off between the two leaves the version as it was.
  const cut = joined({ ...pair, replica: { ...bound(pair.replica, pair.replica), replaceDocuments: () => Promise.reject(kennelError("unavailable")) } }); // biome-ignore format: one call
  await rejects(cut.replaceDocuments(index, ["a"], [chunkRow("a", 0, { indexText: "newest" })], never), "unavailable");
  const after = joined(pair);
  await rejects(after.searchText(index, "newest", ALL, never), "unavailable");
  assert.is((await untilAnswered(() => after.searchText(index, "newest", ALL, never))).length, 1);
  await closeAndRemove(after);
});

test("What is written while it is filled stays as it was written", async () => {
  const pair = await openPair();
  await pair.store.createIndex(index, schema, never);
  const ids = Array.from({ length: 30 }, (_, place) => `d${place}`);
  await pair.store.replaceDocuments(index, ids, ids.map((id) => chunkRow(id, 0)), never); // biome-ignore format: one call
  const both = joined(pair);
  await rejects(both.searchText(index, "word", ALL, never), "unavailable");
  await both.replaceDocuments(index, ["d3", "d4"], [chunkRow("d4", 0, { indexText: "fresh" })], never);
  assert.is((await untilAnswered(() => both.searchText(index, "fresh", ALL, never))).length, 1);
  assert.is((await both.searchText(index, "word", ALL, never)).length, 28);
  await closeAndRemove(both);
});

test("While the store is gone texts are still found, also by a process that has never met it", async () => {
  const pair = await openPair();
  const both = joined(pair);
  await both.createIndex(index, schema, never);
  await both.replaceDocuments(index, ["a"], [chunkRow("a", 0)], never);
  const gone = async () => {
    throw kennelError("unavailable");
  };
  const orphan = new LexicalReplica({
    store: { ...bound(pair.store, pair.store), countRows: gone, fetchChunks: gone, searchVector: gone, replaceDocuments: gone },
    replica: pair.replica,
    levels: new ReplicaLevels(join(pair.folder, "levels")),
    indexVersionOf: gone,
    describe: gone,
  });
  assert.is((await orphan.searchText(index, "word", ALL, never)).length, 1);
  assert.is((await orphan.fetchChunks(index, ["a#0"], never))[0]?.text, "text of a");
  await rejects(orphan.searchVector(index, unitVector(1, 0, 0, 0), ALL, never), "unavailable");
  await rejects(orphan.searchText({ collection: "other", version: 1 }, "word", ALL, never), "unavailable");
  await closeAndRemove(both);
});

test("Rows in the order of their ids come as whole documents, one inside another too", async () => {
  const ids = [["a", 0], ["a", 1], ["a", 10], ["a#1", 0], ["a#1", 1], ["a", 2], ["b", 0]] as const; // biome-ignore format: a list
  const rows = ids.map(([documentId, ordinal]) => chunkRow(documentId, ordinal));
  async function* pages(): AsyncGenerator<readonly ChunkRow[]> {
    for (const row of rows) yield [row];
  }
  const found: [string, number][] = [];
  for await (const documents of wholeDocuments(pages())) for (const [id, held] of documents) found.push([id, held.length]);
  assert.equal(found, [["a#1", 2], ["a", 4], ["b", 1]]); // biome-ignore format: a list
});

test.run();
