import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Catalog } from "../../../actors/document_store/catalog.ts";
import type { CollectionRecord } from "../../../actors/document_store/collection_record.ts";
import { CatalogSync } from "../../../node/cluster/catalog_sync.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import { manualClock } from "../../support/manual_clock.ts";

const test = suite("catalog sync");

const recordOf = (name: string, indexVersion: number) =>
  ({ name, createdAtMs: 1, version: 1, indexVersion, versions: [], settings: { replicas: 1 } }) as unknown as CollectionRecord;

function syncing(known: readonly CollectionRecord[], stored: readonly CollectionRecord[]) {
  const clock = manualClock();
  const looked: string[] = [];
  const byName = new Map(known.map((record) => [record.name, record]));
  let release: () => void = () => undefined;
  let gate: Promise<void> = Promise.resolve();
  let aliasReads = 0;
  const catalog = {
    isLoaded: true,
    resolve: (name: string) => {
      const record = byName.get(name);
      return record === undefined ? null : { record, version: 1 };
    },
    list: () => ({ items: [...byName.values()], next: null }),
    refreshAliases: async () => {
      aliasReads += 1;
    },
  } as unknown as Catalog;
  const sync = new CatalogSync({
    documents: { listCollections: async () => ({ items: stored, next: null }) },
    catalog,
    changedElsewhere: async (name) => {
      looked.push(name);
      await gate;
      const found = stored.find((record) => record.name === name);
      if (found === undefined) byName.delete(name);
      else byName.set(name, found);
    },
    clock,
    logger: createLogger({ level: "silent", node: "test" }),
  });
  return {
    clock,
    sync,
    looked,
    aliasReads: () => aliasReads,
    hold() {
      gate = new Promise((resolve) => {
        release = resolve;
      });
    },
    letGo: () => release(),
  };
}

test("A change is looked at at once; what is told meanwhile is looked at once more, not once for each word", async () => {
  const { clock, sync, looked, hold, letGo } = syncing([], [recordOf("docs", 1)]);
  hold();
  for (let at = 0; at < 5; at++) sync.changed("docs");
  assert.equal(looked, ["docs"]);
  letGo();
  await clock.flush();
  assert.equal(looked, ["docs", "docs"]);
  sync.stop();
});

test("Of very many that have changed a few are read at once, each once, and all are in the end", async () => {
  const names = Array.from({ length: 100 }, (_, at) => `c${at}`);
  const { clock, sync, looked, hold, letGo } = syncing([], names.map((name) => recordOf(name, 1))); // biome-ignore format: one thought
  hold();
  for (let times = 0; times < 3; times++) for (const name of names.slice(16)) sync.changed(name);
  for (const name of names.slice(0, 16)) sync.changed(name, () => false);
  assert.is(looked.length, 16);
  letGo();
  await clock.flush();
  assert.equal([...new Set(looked)].sort(), names.slice(16).sort(), "what is not wanted any more is left out");
  sync.stop();
});

test("What the look under way has found already is not looked at once more; a word that does not say what has changed wins", async () => {
  const { clock, sync, looked, hold, letGo } = syncing([], [recordOf("docs", 1)]);
  hold();
  sync.changed("docs");
  sync.changed("docs", () => false);
  letGo();
  await clock.flush();
  assert.equal(looked, ["docs"]);
  hold();
  sync.changed("docs");
  sync.changed("docs");
  sync.changed("docs", () => false);
  letGo();
  await clock.flush();
  assert.equal(looked, ["docs", "docs", "docs"]);
  sync.stop();
});

test("Aliases that others move are read once for all words of a moment, and once more for those during it", async () => {
  const { clock, sync, aliasReads } = syncing([], []);
  for (let word = 0; word < 5; word++) sync.aliasesChanged();
  await clock.flush();
  assert.is(aliasReads(), 1);
  sync.aliasesChanged();
  await clock.flush();
  assert.is(aliasReads(), 2);
  sync.stop();
});

test("A rescan finds what is new, newer, and gone, and reads the aliases anew", async () => {
  const { clock, sync, looked, aliasReads } = syncing(
    [recordOf("same", 3), recordOf("older", 1), recordOf("gone", 1), recordOf("newer", 9)],
    [recordOf("same", 3), recordOf("older", 2), recordOf("fresh", 1), recordOf("newer", 8)],
  );
  await clock.advance(30_000);
  await clock.flush();
  assert.equal(looked.sort(), ["fresh", "gone", "older"]);
  assert.is(aliasReads(), 1);
  sync.stop();
});

test("A name that is not known is looked for in the store, and strangers' names a few times a second at most", async () => {
  const { clock, sync, looked } = syncing([], [recordOf("docs", 1)]);
  assert.is(await sync.nameOf("docs"), "docs");
  assert.is(sync.nameOf("docs"), "docs", "known now");
  for (let at = 0; at < 100; at++) await sync.nameOf(`stranger-${at}`);
  assert.ok(looked.length <= 21, `${looked.length}`);
  await clock.advance(1_000);
  await sync.nameOf("another");
  assert.is(looked.at(-1), "another");
  sync.stop();
});

test.run();
