import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Catalog, openCatalog } from "../../../actors/document_store/catalog.ts";
import type { CollectionRecord, DocumentStore } from "../../../actors/document_store/document_store.ts";
import { openLibsqlDocumentStore } from "../../../actors/document_store/libsql.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { rejectsWith } from "./document_store_contract.ts";
import { parsed, SETTINGS, textDocument } from "./documents.ts";

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
          create: async (record: CollectionRecord) => void context.calls.push(`create ${record.name}`),
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

catalogs(
  "A collection is made once, the same settings again change nothing, and others change what can change",
  async ({ open, calls }) => {
    const catalog = await open();
    assert.is((await catalog.put("docs", SETTINGS, signal)).outcome, "created");
    assert.is((await catalog.put("docs", { ...SETTINGS, chunking: { ...SETTINGS.chunking } }, signal)).outcome, "unchanged");
    assert.is((await catalog.put("docs", { ...SETTINGS, pinned: true, ttlSeconds: 60 }, signal)).outcome, "changed");
    assert.is(catalog.require("docs").record.settings.pinned, true);
    assert.equal(calls, ["changed docs", "create docs", "changed docs"]);
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
