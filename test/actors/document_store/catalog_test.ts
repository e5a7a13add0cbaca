import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Catalog } from "../../../actors/document_store/catalog.ts";
import { createCatalog, openCatalog } from "../../../actors/document_store/catalog_view.ts";
import type { CollectionRecord } from "../../../actors/document_store/collection_record.ts";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import { readJob } from "../../../actors/document_store/finished_jobs.ts";
import { openLibsqlDocumentStore } from "../../../actors/document_store/libsql.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { rejectsWith } from "./document_store_contract.ts";
import { parsed, SETTINGS, SWITCHED, textDocument } from "./documents.ts";

interface Context {
  folder: string;
  store: DocumentStore;
  calls: string[];
  failDrop: boolean;
  open(): Promise<Catalog>;
}

const signal = new AbortController().signal;
const catalogs = suite<Context>("catalog");

catalogs.before.each(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), "kennel-catalog-"));
  const path = join(context.folder, "kennel.db");
  context.store = await openLibsqlDocumentStore({
    path,
    callTimeoutMs: 60_000,
    busyTimeoutMs: 1000,
    maxQueue: 1000,
    maxPages: 0,
    clock: manualClock(),
  });
  context.calls = [];
  context.failDrop = false;
  context.open = () =>
    openCatalog(
      {
        store: context.store,
        maxCollections: 3,
        maxAliases: 2,
        onChange: (name, record) => context.calls.push(record === null ? `gone ${name}` : `changed ${name}`),
        indexes: {
          drop: async (record: CollectionRecord) => {
            context.calls.push(`drop ${record.name}`);
            if (context.failDrop) throw kennelError("unavailable");
          },
        },
      },
      signal,
    );
});
catalogs.after.each(async (context) => {
  await context.store.close();
  rmSync(context.folder, { recursive: true, force: true });
});

catalogs("A job is read as completed only when what it has made is known here", async ({ open, store, calls }) => {
  const catalog = await open();
  await catalog.put("docs", SETTINGS, signal);
  const { language, embedding, chunking } = SETTINGS;
  await store.beginReindex("docs", "reindex", { language, embedding, chunking }, null, false, signal);
  assert.is((await readJob(store, catalog, "reindex", signal))?.indexVersion, null);
  await store.completeReindex("reindex", SWITCHED, 0, signal);
  assert.is(catalog.require("docs").record.version, 1, "nobody has told the catalog");
  calls.length = 0;
  for (let times = 0; times < 2; times += 1) assert.is((await readJob(store, catalog, "reindex", signal))?.status, "completed");
  assert.is(catalog.require("docs").record.version, 2);
  assert.equal(calls, ["changed docs"], "and is told once");
  assert.is(await readJob(store, catalog, "none", signal), null);
});

catalogs(
  "Before it is loaded nothing is known of any name, and nothing can be changed; what was read half is read again",
  async ({ store }) => {
    await store.createCollection("docs", SETTINGS, signal);
    await store.putAlias({ alias: "papers", collection: "docs", version: null }, signal);
    let isAway = true;
    const catalog = createCatalog({
      store: { ...store, listAliases: (inner) => (isAway ? Promise.reject(kennelError("unavailable")) : store.listAliases(inner)) },
      indexes: { drop: async () => assert.unreachable("an index was dropped") },
      maxCollections: 3,
      maxAliases: 2,
      onChange: () => assert.unreachable("a change was told"),
      notLoaded: () => kennelError("unavailable", { message: "not known yet", retryAfterMs: 7 }),
    });
    const isRefused = async (attempt: () => unknown) => {
      const error = await rejectsWith("unavailable", Promise.resolve().then(attempt));
      assert.equal([error.message, error.retryAfterMs], ["not known yet", 7]);
    };
    for (let round = 0; round < 2; round++) {
      assert.equal([catalog.isLoaded, catalog.size, catalog.building()], [false, 0, []]);
      await isRefused(() => catalog.resolve("docs"));
      await isRefused(() => catalog.require("docs"));
      await isRefused(() => catalog.list({ after: null, limit: 10 }));
      await isRefused(() => catalog.aliases());
      await isRefused(() => catalog.put("docs", SETTINGS, signal));
      await isRefused(() => catalog.delete("docs", signal));
      await isRefused(() => catalog.putAlias({ alias: "other", collection: "docs", version: null }, signal));
      await isRefused(() => catalog.deleteAlias("papers", signal));
      await isRefused(() => catalog.refresh("docs", signal));
      if (round === 0) await rejectsWith("unavailable", catalog.load(signal));
    }
    isAway = false;
    await catalog.load(signal, async (resolve) => {
      assert.is(catalog.isLoaded, false, "nobody sees it before this is done");
      assert.equal([resolve("papers")?.record.name, resolve("other")], ["docs", null]);
    });
    assert.equal([catalog.isLoaded, catalog.size, catalog.require("papers").record.name], [true, 1, "docs"]);
    assert.equal(catalog.list({ after: null, limit: 10 }).items.map(({ name }) => name), ["docs"]); // biome-ignore format: one call
  },
);

catalogs(
  "A collection is made once, the same settings again change nothing, and others change what can change",
  async ({ open, calls }) => {
    const catalog = await open();
    assert.is((await catalog.put("docs", SETTINGS, signal)).outcome, "created");
    assert.is((await catalog.put("docs", { ...SETTINGS, chunking: { ...SETTINGS.chunking } }, signal)).outcome, "unchanged");
    assert.is((await catalog.put("docs", { ...SETTINGS, pinned: true, ttlSeconds: 60 }, signal)).outcome, "changed");
    assert.is(catalog.require("docs").record.settings.pinned, true);
    assert.equal(calls, ["changed docs", "changed docs"]);
  },
);

catalogs("What would need the collection to be built anew is a conflict that names the setting", async ({ open }) => {
  const catalog = await open();
  await catalog.put("docs", SETTINGS, signal);
  for (const differs of [{ language: "german" }, { embedding: "other" }, { chunking: { ...SETTINGS.chunking, maxTokens: 99 } }]) {
    const error = await rejectsWith("conflict", catalog.put("docs", { ...SETTINGS, ...differs }, signal));
    assert.is(error.param, Object.keys(differs)[0]);
  }
  await catalog.put("docs", { ...SETTINGS, attributes: { year: "number" } }, signal);
  const error = await rejectsWith("conflict", catalog.put("docs", { ...SETTINGS, attributes: { year: "string" } }, signal));
  assert.is(error.param, "attributes.year");
});

catalogs("Names with dots, slashes, NUL or nothing are refused before the store sees them", async ({ open }) => {
  const catalog = await open();
  for (const name of ["", "..", "a/b", "a.b", "a\u0000", "ä", "x".repeat(65)]) {
    assert.is((await rejectsWith("invalid_request", catalog.put(name, SETTINGS, signal))).param, "name");
  }
});

catalogs("An alias leads to its collection, to the version it pins, and to nothing once the collection is gone", async ({ open }) => {
  const catalog = await open();
  await catalog.put("docs", SETTINGS, signal);
  await catalog.putAlias({ alias: "latest", collection: "docs", version: 1 }, signal);
  assert.is(catalog.resolve("latest")?.record.name, "docs");
  await rejectsWith("not_found", catalog.putAlias({ alias: "next", collection: "docs", version: 2 }, signal));
  await rejectsWith("conflict", catalog.putAlias({ alias: "docs", collection: "docs", version: null }, signal));
  await rejectsWith("conflict", catalog.put("latest", SETTINGS, signal));
  await catalog.putAlias({ alias: "second", collection: "docs", version: null }, signal);
  await rejectsWith("conflict", catalog.putAlias({ alias: "third", collection: "docs", version: null }, signal));
  assert.is(await catalog.delete("docs", signal), true);
  assert.is(catalog.resolve("latest"), null);
  assert.equal(catalog.aliases(), []);
});

catalogs("A view opened anew shows what the one before it made, in pages by name", async ({ open }) => {
  const first = await open();
  for (const name of ["b", "c", "a"]) await first.put(name, SETTINGS, signal);
  await first.putAlias({ alias: "latest", collection: "b", version: null }, signal);
  await rejectsWith("conflict", first.put("d", SETTINGS, signal));
  const second = await open();
  assert.is(second.size, 3);
  assert.is(second.resolve("latest")?.record.name, "b");
  const page = second.list({ after: null, limit: 2 });
  assert.equal([page.items.map((record) => record.name), page.next], [["a", "b"], "b"]);
  const rest = second.list({ after: page.next, limit: 2 });
  assert.equal([rest.items.map((record) => record.name), rest.next], [["c"], null]);
  assert.is(second.require("a").record.settings, second.require("b").record.settings, "equal settings are one object");
});

catalogs("What is made or removed after a listing stands in its place in the next", async ({ open }) => {
  const catalog = await open();
  const names = () => catalog.list({ after: null, limit: 10 }).items.map((record) => record.name);
  assert.equal(names(), []);
  await catalog.put("m", SETTINGS, signal);
  assert.equal(names(), ["m"]);
  await catalog.put("z", SETTINGS, signal);
  await catalog.put("a", SETTINGS, signal);
  assert.equal(names(), ["a", "m", "z"]);
  await catalog.put("m", { ...SETTINGS, pinned: true }, signal);
  await catalog.delete("a", signal);
  assert.equal(names(), ["m", "z"]);
  await catalog.delete("z", signal);
  assert.equal(names(), ["m"]);
});

catalogs("A removal that an outage interrupts is hidden at once and ended later", async (context) => {
  const catalog = await context.open();
  await catalog.put("docs", SETTINGS, signal);
  context.failDrop = true;
  await rejectsWith("unavailable", catalog.delete("docs", signal));
  assert.is(catalog.resolve("docs"), null);
  await rejectsWith("conflict", catalog.put("docs", SETTINGS, signal));
  context.failDrop = false;
  assert.is(await catalog.finishDeletions(signal), 1);
  assert.is(await catalog.finishDeletions(signal), 0);
  assert.is((await catalog.put("docs", SETTINGS, signal)).outcome, "created");
});

catalogs("A refresh brings counts and attributes into the view", async ({ open, store }) => {
  const catalog = await open();
  await catalog.put("docs", SETTINGS, signal);
  const document = textDocument("one", "text");
  await store.acceptDocuments("docs", "job", [document], { lang: "string" }, signal);
  await store.markIndexed("job", "docs", [parsed(document)], signal);
  await catalog.refresh("docs", signal);
  const { record } = catalog.require("docs");
  assert.equal([record.documents, record.chunks, record.indexVersion, record.attributes], [1, 1, 1, { lang: "string" }]);
});

catalogs.run();
