import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SCHEMA_VERSION } from "../../../actors/document_store/libsql/schema.ts";
import { openLibsqlDocumentStore } from "../../../actors/document_store/libsql.ts";
import { type ManualClock, manualClock } from "../../support/manual_clock.ts";
import { documentStoreContract, rejectsWith } from "./document_store_contract.ts";
import { parsed, SETTINGS, textDocument } from "./documents.ts";

const signal = new AbortController().signal;

function openAt(path: string, clock: ManualClock, maxPages = 0) {
  return openLibsqlDocumentStore({ path, callTimeoutMs: 60_000, busyTimeoutMs: 1000, maxQueue: 1000, maxPages, clock });
}

documentStoreContract("libsql", {
  skip: [],
  async open(clock) {
    const folder = mkdtempSync(join(tmpdir(), "kennel-libsql-"));
    const path = join(folder, "kennel.db");
    let store = await openAt(path, clock);
    return {
      store,
      async reopen() {
        await store.close();
        store = await openAt(path, clock);
        return store;
      },
      async close() {
        await store.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
}).run();

const libsql = suite<{ folder: string; path: string }>("libsql document store");
libsql.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "kennel-libsql-"));
  context.path = join(context.folder, "kennel.db");
});
libsql.after.each((context) => rmSync(context.folder, { recursive: true, force: true }));

libsql("A database of a newer format is refused with both versions named, and left as it is", async ({ path }) => {
  await (await openAt(path, manualClock())).close();
  const database = new Database(path, { timeout: 5_000 });
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  database.close();
  const error = await rejectsWith("conflict", openAt(path, manualClock()));
  assert.match(error.message, new RegExp(`version ${SCHEMA_VERSION + 1}, this Kennel knows up to ${SCHEMA_VERSION}`));
  const after = new Database(path, { timeout: 5_000 });
  assert.is((after.prepare("PRAGMA user_version").get([]) as { user_version: number }).user_version, SCHEMA_VERSION + 1);
  after.close();
});

libsql("A file that is no database is refused as unavailable", async ({ path }) => {
  writeFileSync(path, "not a database, but long enough to be read as the header of one ".repeat(40));
  await rejectsWith("unavailable", openAt(path, manualClock()));
});

libsql("A full disk fails the write with storage_full, keeps what is stored readable, and recovers with space", async ({ path }) => {
  const clock = manualClock();
  const roomy = await openAt(path, clock);
  await roomy.createCollection("docs", SETTINGS, signal);
  const kept = textDocument("kept", "kept text");
  await roomy.acceptDocuments("docs", "first", [kept], {}, signal);
  await roomy.close();

  const tight = await openAt(path, clock, 60);
  const big = Array.from({ length: 50 }, (_, place) => textDocument(`big${place}`, "x".repeat(20_000)));
  const error = await rejectsWith("storage_full", tight.acceptDocuments("docs", "second", big, {}, signal));
  assert.ok((error.retryAfterMs ?? 0) > 0);
  assert.is(await tight.getJob("second", signal), null);
  assert.is((await tight.getDocument("docs", "kept", signal))?.text, "kept text");
  assert.equal(await tight.pendingDocuments("first", 10, 1000, signal), [kept]);
  await tight.acceptDocuments("docs", "small", [textDocument("small", "fits")], {}, signal);
  await tight.close();

  const freed = await openAt(path, clock);
  const job = await freed.acceptDocuments("docs", "second", big, {}, signal);
  assert.is(job.counts.total, 50);
  await freed.close();
});

libsql("Reads are answered while a long write runs, and see nothing of it before its commit", async ({ path }) => {
  const store = await openAt(path, manualClock());
  await store.createCollection("docs", SETTINGS, signal);
  const many = Array.from({ length: 5000 }, (_, place) => textDocument(`d${place}`, "word ".repeat(100)));
  const order: string[] = [];
  const write = store.acceptDocuments("docs", "job", many, {}, signal).then(() => order.push("write"));
  const read = store.getCollection("docs", signal).then((record) => {
    order.push("read");
    assert.is(record?.documents, 0);
  });
  await Promise.all([write, read]);
  assert.equal(order, ["read", "write"]);
  await store.close();
});

libsql("Texts and titles with a NUL keep everything after it", async ({ path }) => {
  const store = await openAt(path, manualClock());
  await store.createCollection("docs", SETTINGS, signal);
  const document = textDocument("one", "before\u0000after", { contentHash: "hash" });
  await store.acceptDocuments("docs", "job", [document], {}, signal);
  assert.equal(await store.pendingDocuments("job", 1, 1000, signal), [document]);
  assert.is((await store.getDocument("docs", "one", signal))?.text, "before after");
  await store.markIndexed("job", "docs", [parsed(document)], signal);
  await store.close();
});

libsql.run();
