import { MongoClient } from "mongodb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FORMAT_VERSION } from "../../../actors/document_store/mongodb/schema.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { rejectsWith } from "../../actors/document_store/document_store_contract.ts";
import { parsed, SETTINGS, textDocument } from "../../actors/document_store/documents.ts";
import { newDatabase, openStore, startServer } from "./server.ts";

const signal = new AbortController().signal;

const test = suite<{ server: FerretServer }>("MongoDB document store");
test.before(async (context) => {
  context.server = await startServer();
});
test.after(({ server }) => server.stop());

test("A database of a newer format is refused with both versions named, and left as it is", async ({ server }) => {
  const url = newDatabase(server);
  await (await openStore(url)).close();
  const client = new MongoClient(url);
  const formats = client.db().collection<{ _id: string; version: number }>("format");
  await formats.updateOne({ _id: "kennel" }, { $set: { version: FORMAT_VERSION + 1 } });
  const error = await rejectsWith("conflict", openStore(url));
  assert.match(error.message, new RegExp(`version ${FORMAT_VERSION + 1}, this Kennel knows up to ${FORMAT_VERSION}`));
  assert.is((await formats.findOne({ _id: "kennel" }))?.version, FORMAT_VERSION + 1);
  await client.close();
});

test("Only the first opening of a database is told as its creation", async ({ server }) => {
  const url = newDatabase(server);
  let created = 0;
  const onCreated = () => {
    created += 1;
  };
  for (let opening = 0; opening < 2; opening++) await (await openStore(url, { onCreated })).close();
  assert.is(created, 1);
});

test("A source and a text larger than one document of the database come back whole", async ({ server }) => {
  const store = await openStore(newDatabase(server));
  await store.createCollection("docs", SETTINGS, signal);
  const text = "größer als ein Teil ".repeat(450_000);
  const document = textDocument("big", text, { vector: new Float32Array([1, 2]) });
  await store.acceptDocuments("docs", "job", [document], {}, signal);
  assert.equal(await store.pendingDocuments("job", 1, 1, signal), [document]);
  const read = `parsed ${text}`;
  await store.putChunks("docs", 1, [parsed(document, { text: read, chunks: [] })], signal);
  assert.is((await store.getDocument("docs", "big", signal))?.text, read);
  await store.close();
});

test("Texts and titles with a NUL keep everything after it", async ({ server }) => {
  const store = await openStore(newDatabase(server));
  await store.createCollection("docs", SETTINGS, signal);
  const document = textDocument("one", "before\u0000after", { contentHash: "hash" });
  await store.acceptDocuments("docs", "job", [document], {}, signal);
  assert.equal(await store.pendingDocuments("job", 1, 1000, signal), [document]);
  assert.is((await store.getDocument("docs", "one", signal))?.text, "before after");
  await store.close();
});

test("An id that comes twice in one request is one document, as it came last", async ({ server }) => {
  const store = await openStore(newDatabase(server));
  await store.createCollection("docs", SETTINGS, signal);
  const last = textDocument("one", "last");
  const job = await store.acceptDocuments("docs", "job", [textDocument("one", "first"), last], {}, signal);
  assert.equal([job.counts.total, job.counts.skipped], [2, 1]);
  assert.equal(await store.pendingDocuments("job", 10, 1000, signal), [last]);
  assert.is((await store.getCollection("docs", signal))?.documents, 1);
  await store.close();
});

test("Writes to one collection at once all take effect, one after another", async ({ server }) => {
  const url = newDatabase(server);
  const stores = [await openStore(url), await openStore(url)];
  await stores[0]?.createCollection("docs", SETTINGS, signal);
  const jobs = Array.from({ length: 12 }, (_, place) => place);
  await Promise.all(
    jobs.map((place) => stores[0]?.acceptDocuments("docs", `job${place}`, [textDocument(`d${place}`, "text")], {}, signal)),
  );
  await stores[1]?.acceptDocuments("docs", "other", [textDocument("other", "text")], {}, signal);
  assert.is((await stores[1]?.getCollection("docs", signal))?.documents, 13);
  assert.is((await stores[0]?.openJobs(signal))?.length, 13);
  for (const store of stores) await store.close();
});

test("An address with a password that cannot be used says so without it", async () => {
  const error = await rejectsWith("unavailable", openStore("mongodb://user:secret@127.0.0.1:1/x?authMechanism=NONE-SUCH"));
  assert.not.match(`${error.message} ${String(error.cause)}`, /secret|mongodb:/);
});

test.run();
