import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AdoptedWords, GENERATIONS } from "../../../actors/vector_store/adopted_words.ts";
import { type Adoption, Adoptions } from "../../../actors/vector_store/adoption.ts";
import { openLanceDb } from "../../../actors/vector_store/lancedb.ts";
import type { ChunkRow, IndexName, SearchOptions } from "../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { until } from "../../journeys/caller.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";
import { adoptionOf } from "./adoptions.ts";
import { chunkRow } from "./chunk_rows.ts";
import { rejects, type Store } from "./vector_store_contract.ts";

const test = suite("words of a collection of others");

const never = new AbortController().signal;
const NEWS: IndexName = { collection: "news", version: 1 };
const ALL: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };
const HALF_A_MINUTE_MS = 30_000;

const ADOPTION = adoptionOf({ mode: "read_write", attributes: { lang: "string" }, lexical: "replica" });

/** A row of others: its id says nothing of its document. */
function row(id: string, documentId: string, words: string): ChunkRow {
  return chunkRow(documentId, 0, { id, text: words, indexText: words, attributes: { lang: "en" } });
}

interface Rig {
  readonly words: AdoptedWords;
  /** Holds what others have written. */
  readonly theirs: Store;
  readonly replica: Store;
  readonly clock: ManualClock;
  adoption: Adoption | null;
  isGone: boolean;
  scans: number;
  /** Calls that the store that is gone has refused. */
  refused: number;
  write(documentId: string, rows: readonly ChunkRow[]): Promise<void>;
  /** Rows that have a word, once what was begun for the search before has ended. */
  found(word: string): Promise<readonly string[]>;
}

async function onRig(work: (rig: Rig) => Promise<void>, maxCopiedRows = 1_000): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-words-"));
  const open = (name: string) =>
    openLanceDb({ directory: join(folder, name), maxOpenTables: 8, minVectorIndexRows: 20_000, retentionMs: 60_000, clock: systemClock() });
  const [theirs, replica, clock] = [await open("theirs"), await open("replica"), manualClock()];
  const adoptions = new Adoptions();
  const calls: { last: Promise<unknown> } = { last: Promise.resolve() };
  const store = new Proxy(theirs, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as unknown;
      if (typeof method !== "function") return method;
      return (...parameters: unknown[]) => {
        if (rig.isGone) {
          rig.refused += 1;
          throw kennelError("unavailable");
        }
        if (name === "scan") rig.scans += 1;
        return method.apply(target, parameters);
      };
    },
  });
  const words = new AdoptedWords({ store, adoptions, replica, maxCopiedRows, clock });
  const rig: Rig = {
    words,
    theirs,
    replica,
    clock,
    adoption: ADOPTION,
    isGone: false,
    scans: 0,
    refused: 0,
    write: (documentId, rows) => theirs.replaceDocuments(NEWS, [documentId], rows, never),
    async found(word) {
      calls.last = words.searchText(NEWS, word, ALL, never);
      return ((await calls.last) as readonly { id: string }[]).map(({ id }) => id).sort();
    },
  };
  adoptions.follow((name) => (name === "news" ? rig.adoption : null));
  try {
    await theirs.createIndex(NEWS, { dimensions: 4, language: "none", attributes: { lang: "string" } }, never);
    await rig.write("d1", [row("1", "d1", "owls hunt at night"), row("2", "d1", "kites fly by day")]);
    await rig.write("d2", [row("3", "d2", "owls are silent")]);
    await work(rig);
  } finally {
    await words.close();
    await replica.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Asks until it finds these rows: the copy is filled beside the searches. */
async function untilFound(rig: Rig, word: string, expected: readonly string[]): Promise<void> {
  await until(`${word} finds ${expected}`, async () => JSON.stringify(await rig.found(word)) === JSON.stringify(expected));
}

test("The first search waits for the copy, finds by stems, and gives each row's own document", () =>
  onRig(async (rig) => {
    assert.equal(await rig.found("owl"), ["1", "3"]);
    const [first] = await rig.words.searchText(NEWS, "kite", ALL, never);
    assert.equal([first?.id, first?.documentId, first?.parentId], ["2", "d1", null]);
    const filtered = { ...ALL, filter: { type: "eq", key: "lang", value: "de" } } as const;
    assert.equal(await rig.words.searchText(NEWS, "owl", filtered, never), []);
    assert.is(rig.scans, 1);
  }));

test("A search by vector begins the copy, so that words need not wait for it", () =>
  onRig(async (rig) => {
    await rig.words.searchVector(NEWS, Float32Array.of(1, 0, 0, 0), ALL, never);
    assert.equal(await rig.found("owl"), ["1", "3"]);
    assert.is(rig.scans, 1);
  }));

test("What others write is found by its words when the number of rows is compared, and the old copy answers meanwhile", () =>
  onRig(async (rig) => {
    assert.equal(await rig.found("owl"), ["1", "3"]);
    await rig.write("d3", [row("4", "d3", "an owl in the barn")]);
    assert.equal(await rig.found("owl"), ["1", "3"], "nobody has said so, and it is not looked at all the time");
    await rig.clock.advance(HALF_A_MINUTE_MS);
    await untilFound(rig, "owl", ["1", "3", "4"]);
    assert.is(rig.scans, 2);
    await rig.clock.advance(HALF_A_MINUTE_MS);
    await rig.found("owl");
    assert.is(rig.scans, 2, "as many rows as before are not read again");
  }));

test("After an hour it is read again, whatever the number of rows", () =>
  onRig(async (rig) => {
    await rig.found("owl");
    await rig.write("d2", [row("3", "d2", "an eagle now")]);
    await rig.clock.advance(3_600_000);
    await untilFound(rig, "eagle", ["3"]);
  }));

test("What Kennel writes is found at once", () =>
  onRig(async (rig) => {
    await rig.found("owl");
    await rig.words.replaceDocuments(NEWS, ["mine"], [row("mine#0", "mine", "a falcon dives")], never);
    assert.equal(await rig.found("falcon"), ["mine#0"]);
  }));

test("While the store is gone words are found and shown as they were copied; before a copy they are unavailable", () =>
  onRig(async (rig) => {
    rig.isGone = true;
    await rejects(rig.words.searchText(NEWS, "owl", ALL, never), "unavailable");
    rig.isGone = false;
    await rig.clock.advance(HALF_A_MINUTE_MS);
    await untilFound(rig, "owl", ["1", "3"]);
    rig.isGone = true;
    assert.equal(await rig.found("owl"), ["1", "3"]);
    const [chunk] = await rig.words.fetchChunks(NEWS, ["1"], never);
    rig.isGone = false;
    assert.equal([chunk?.text, chunk?.documentId, chunk?.parentId], ["owls hunt at night", "d1", null]);
  }));

test("Other fields or another language make another copy; another setting of the collection does not", () =>
  onRig(async (rig) => {
    await rig.found("owl");
    rig.adoption = { ...ADOPTION };
    await rig.found("owl");
    assert.is(rig.scans, 1);
    rig.adoption = { ...ADOPTION, language: "none" };
    await untilFound(rig, "owl", []);
    assert.equal(await rig.found("owls"), ["1", "3"]);
    assert.is(rig.scans, 2);
  }));

test("One that has outgrown a copy is refused, and not read again at once", () =>
  onRig(async (rig) => {
    await rejects(rig.words.searchText(NEWS, "owl", ALL, never), "unavailable");
    await rejects(rig.words.searchText(NEWS, "owl", ALL, never), "unavailable");
    assert.is(rig.scans, 1);
  }, 1));

test("With the collection goes its copy, and the next of its name has one of its own", () =>
  onRig(async (rig) => {
    await rig.found("owl");
    const forgetting = rig.words.forget("news");
    await rig.write("d1", []);
    assert.equal(await rig.found("owl"), ["3"]);
    await forgetting;
    assert.equal(await rig.found("owl"), ["3"]);
    await rig.words.forget("news");
    for (const version of GENERATIONS) await rejects(rig.replica.countRows({ collection: "news", version }, never), "not_found");
  }));

test("With the collection goes a copy that an earlier process has made, and what another of its name has in the same store stays", () =>
  onRig(async (rig) => {
    const built: IndexName = { collection: "news", version: 1 };
    for (const index of [built, ...GENERATIONS.map((version) => ({ ...built, version }))])
      await rig.replica.createIndex(index, { dimensions: 4, language: "none", attributes: {} }, never);
    await rig.words.forget("news");
    for (const version of GENERATIONS) await rejects(rig.replica.countRows({ collection: "news", version }, never), "not_found");
    assert.is(await rig.replica.countRows(built, never), 0);
  }));

test("A copy of other fields that fails is not tried again by each search", () =>
  onRig(async (rig) => {
    await rig.found("owl");
    rig.adoption = { ...ADOPTION, language: "none" };
    rig.isGone = true;
    const attempts = rig.refused;
    await rig.found("owl");
    await until("the copy has failed", async () => rig.refused > attempts);
    const failed = rig.refused;
    for (let search = 0; search < 5; search++) await rig.found("owl");
    assert.is(rig.refused, failed);
    rig.isGone = false;
    await rig.clock.advance(HALF_A_MINUTE_MS);
    await untilFound(rig, "owl", []);
  }));

test("A collection that is not adopted, or whose store ranks its texts, is the store's", () =>
  onRig(async (rig) => {
    for (const adoption of [null, { ...ADOPTION, lexical: "store" } as const]) {
      rig.adoption = adoption;
      assert.equal(await rig.found("owls"), ["1", "3"]);
      await rig.words.searchVector(NEWS, Float32Array.of(1, 0, 0, 0), ALL, never);
    }
    assert.is(rig.scans, 0);
  }));

test.run();
