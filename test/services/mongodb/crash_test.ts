import { MongoClient } from "mongodb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { HELD, PLAN, parsed, SETTINGS, SWITCHED, textDocument } from "../../actors/document_store/documents.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { startCuttingProxy } from "./cutting_proxy.ts";
import { newDatabase, openStore, startServer } from "./server.ts";

const signal = new AbortController().signal;
const LEASE_MS = 150;
const MAX_WRITES = 40;

const [settled, replaced, fresh] = [textDocument("a", "first"), textDocument("b", "second"), textDocument("b", "another")];
const big = textDocument("c", "third ".repeat(10));
const BUILD = { language: "german", embedding: SETTINGS.embedding, chunking: SETTINGS.chunking };

/** Each changes several documents, which must change together. `before` leads to the state that `change` starts from. */
const OPERATIONS: Readonly<
  Record<string, { before(store: DocumentStore): Promise<void>; change(store: DocumentStore): Promise<unknown> }>
> = {
  acceptDocuments: {
    before: indexTwo,
    change: (store) => store.acceptDocuments("docs", "next", [settled, fresh, big], { year: "number" }, signal),
  },
  putChunks: {
    before: async (store) => {
      await indexTwo(store);
      await store.acceptDocuments("docs", "next", [fresh, big], {}, signal);
    },
    change: (store) =>
      store.putChunks("docs", 1, [parsed(fresh, { title: "T", text: "parsed" }, "one parent"), parsed(big, {}, "another")], signal),
  },
  markIndexed: {
    before: async (store) => {
      await indexTwo(store);
      await store.acceptDocuments("docs", "next", [fresh, big], {}, signal);
    },
    change: (store) => store.markIndexed("next", "docs", [parsed(fresh), parsed(big)], signal),
  },
  cancelJob: {
    before: async (store) => {
      await indexTwo(store);
      await store.acceptDocuments("docs", "next", [fresh, big], {}, signal);
    },
    change: (store) => store.cancelJob("next", signal),
  },
  removeDocuments: {
    before: async (store) => {
      await indexTwo(store);
      await store.markDeleting("docs", ["a", "b"], signal);
    },
    change: (store) => store.removeDocuments("docs", ["a", "b"], signal),
  },
  completeReindex: {
    before: async (store) => {
      await indexTwo(store);
      await store.beginReindex("docs", "reindex", BUILD, null, false, signal);
      await store.putChunks("docs", 2, [parsed(settled, {}, "new parent")], signal);
    },
    change: (store) => store.completeReindex("reindex", SWITCHED, 0, signal),
  },
  holdReindex: {
    before: async (store) => {
      await indexTwo(store);
      await store.beginReindex("docs", "reindex", BUILD, PLAN, false, signal);
      await store.putChunks("docs", 2, [parsed(settled, {}, "new parent")], signal);
    },
    change: (store) => store.holdReindex("reindex", HELD, null, signal),
  },
  switchVersion: {
    before: async (store) => {
      await indexTwo(store);
      await store.beginReindex("docs", "reindex", BUILD, PLAN, false, signal);
      await store.putChunks("docs", 2, [parsed(settled, {}, "new parent")], signal);
      await store.holdReindex("reindex", HELD, null, signal);
    },
    change: (store) => store.switchVersion("docs", 2, null, signal),
  },
};

const test = suite<{ server: FerretServer }>("MongoDB document store whose connection is cut between two writes");
test.before(async (context) => {
  context.server = await startServer();
});
test.after(({ server }) => server.stop());

for (const [name, { before, change }] of Object.entries(OPERATIONS)) {
  test(`${name} is done wholly or not at all, whichever write was the last`, async ({ server }) => {
    let wasDone = false;
    let wasCut = false;
    for (let writes = 0; writes <= MAX_WRITES; writes++) {
      const url = newDatabase(server);
      const clock = manualClock();
      const proxy = await startCuttingProxy(server.port);
      const direct = await openStore(url, { clock });
      await direct.createCollection("docs", SETTINGS, signal);
      await before(direct);
      const start = await everything(direct, url);
      await direct.close();
      const cut = await openStore(url.replace(`:${server.port}`, `:${proxy.port}`), { clock });
      proxy.cutAfter(writes === 0 ? Number.POSITIVE_INFINITY : writes);
      const outcome = await change(cut).then(
        () => "done",
        (error) => error.code as string,
      );
      await proxy.stop();
      await cut.close();
      // The first round is not cut, and says how it ends.
      if (writes === 0) {
        assert.is(outcome, "done");
        const again = await openStore(url, { leaseMs: LEASE_MS });
        expected = await everything(again, url);
        assert.not.equal(expected, start);
        await again.close();
        continue;
      }
      const again = await openStore(url, { leaseMs: LEASE_MS });
      const found = await everything(again, url);
      await again.close();
      const isDone = JSON.stringify(found) === JSON.stringify(expected);
      assert.equal(found, isDone ? expected : start, `after ${writes} writes`);
      assert.ok(isDone || !wasDone, `undone again after ${writes} writes`);
      wasDone ||= isDone;
      wasCut ||= outcome === "unavailable";
      if (outcome === "done") {
        assert.ok(isDone && wasCut, "what was acknowledged is there, and some round was cut");
        return;
      }
    }
    assert.unreachable(`${name} never got through`);
  });
}

let expected: unknown;

test("Another node takes over from one that was cut off, once its lease is lost", async ({ server }) => {
  const url = newDatabase(server);
  const waiting = await openStore(url, { leaseMs: LEASE_MS });
  await waiting.createCollection("docs", SETTINGS, signal);
  await indexTwo(waiting);
  const proxy = await startCuttingProxy(server.port);
  const cut = await openStore(url.replace(`:${server.port}`, `:${proxy.port}`), { leaseMs: LEASE_MS });
  proxy.cutAfter(4);
  await cut.acceptDocuments("docs", "next", [fresh, big], {}, signal).catch(() => undefined);
  await proxy.stop();
  await cut.close();
  await waiting.acceptDocuments("docs", "third", [big], {}, signal);
  assert.equal(
    (await waiting.pendingDocuments("third", 10, 1_000_000, signal)).map(({ id }) => id),
    ["c"],
  );
  await waiting.close();
});

test("An opening does not wait for who has left something behind, and tells when it has been ended", async ({ server }) => {
  const url = newDatabase(server);
  const direct = await openStore(url);
  await direct.createCollection("docs", SETTINGS, signal);
  await indexTwo(direct);
  await direct.close();
  const proxy = await startCuttingProxy(server.port);
  const cut = await openStore(url.replace(`:${server.port}`, `:${proxy.port}`));
  proxy.cutAfter(4); // the lease, the bytes, the journal and the commit
  await cut.acceptDocuments("docs", "next", [fresh, big], {}, signal).catch(() => undefined);
  await proxy.stop();
  await cut.close();
  const settledLate = Promise.withResolvers<string>();
  let isSettled = false;
  settledLate.promise.then(() => {
    isSettled = true;
  });
  const store = await openStore(url, { leaseMs: 3_000, settleMs: 10, onSettled: settledLate.resolve });
  assert.not.ok(isSettled, "whoever left it counts as alive for 3 s");
  assert.is(await settledLate.promise, "docs");
  assert.is((await store.getJob("next", signal))?.status, "queued", "what was committed is done");
  await store.close();
});

test("A node that was taken for dead while it wrote replaces nothing newer once it goes on", async ({ server }) => {
  const url = newDatabase(server);
  const isFenced = { capabilities: { hasIndexedFilters: true }, leaseMs: LEASE_MS };
  const other = await openStore(url, isFenced);
  await other.createCollection("docs", SETTINGS, signal);
  await indexTwo(other);
  const proxy = await startCuttingProxy(server.port);
  const slow = await openStore(url.replace(`:${server.port}`, `:${proxy.port}`), isFenced);
  // The lease, the bytes, the journal and the commit; what it has committed to is kept back.
  proxy.holdAfter(4);
  const late = slow.acceptDocuments("docs", "next", [fresh, big], {}, signal).then(
    () => "done",
    (error) => error.code as string,
  );
  while (proxy.held() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const newest = textDocument("b", "newest");
  await other.acceptDocuments("docs", "third", [newest], {}, signal);
  const before = await other.listDocuments("docs", { after: null, limit: 10 }, signal);
  proxy.release();
  assert.is(await late, "unavailable", "its own outcome is not its own to tell any more");
  assert.equal(await other.listDocuments("docs", { after: null, limit: 10 }, signal), before);
  assert.equal(await other.pendingDocuments("third", 10, 1_000_000, signal), [newest]);
  assert.equal(await other.pendingDocuments("next", 10, 1_000_000, signal), [big], "what it had committed to was done for it");
  assert.is((await other.getJob("next", signal))?.counts.skipped, 1);
  await proxy.stop();
  await slow.close();
  await other.close();
});

test.run();

async function indexTwo(store: DocumentStore): Promise<void> {
  const done = [parsed(settled, {}, "parent of a"), parsed(replaced, {}, "parent of b")];
  await store.acceptDocuments("docs", "first", [settled, replaced], {}, signal);
  await store.putChunks("docs", 1, done, signal);
  await store.markIndexed("first", "docs", done, signal);
  await store.finishJob("first", "completed", null, signal);
}

/** All that the store tells, and that nothing else is left in the database. */
async function everything(store: DocumentStore, url: string): Promise<unknown> {
  const record = await store.getCollection("docs", signal);
  const listed = await store.listDocuments("docs", { after: null, limit: 100 }, signal);
  const page = { after: null, limit: 100, maxBytes: 1_000_000 };
  const client = new MongoClient(url);
  const database = client.db();
  const referred = await database.collection("documents").find().toArray();
  const planned = await database
    .collection("jobs")
    .find({ plan: { $ne: null } })
    .toArray();
  const plans = planned.reduce((sum, { plan }) => sum + (plan?.parts ?? 0), 0);
  const blobs = referred.reduce((sum, { body, text }) => sum + body.parts + (text?.parts ?? 0), plans);
  assert.is(await database.collection("blobs").countDocuments(), blobs, "no bytes without a document or a job");
  assert.is(await database.collection("journal").countDocuments(), 0, "no journal is left");
  assert.equal(
    await database
      .collection("leases")
      .find({ owner: { $ne: null } })
      .toArray(),
    [],
    "no lease is held",
  );
  await client.close();
  return {
    record: { ...record, updatedAtMs: 0 },
    jobs: await Promise.all(["first", "next", "reindex"].map((id) => store.getJob(id, signal))),
    documents: await Promise.all(listed.items.map(({ id }) => store.getDocument("docs", id, signal))),
    leaving: (await store.deletingDocuments(10, signal)).map(({ id }) => id).sort(),
    pending: await store.pendingDocuments("next", 10, 1_000_000, signal).catch((error) => error.code),
    chunked: await Promise.all([1, 2].map((version) => store.chunkedDocuments("docs", version, page, signal))),
    parents: await Promise.all([1, 2].map((version) => parentsOf(store, version))),
  };
}

async function parentsOf(store: DocumentStore, version: number): Promise<readonly unknown[]> {
  const found = await store.getParents("docs", version, ["a#p0", "b#p0", "c#p0"], signal);
  return [...found].sort((left, right) => left.id.localeCompare(right.id));
}
