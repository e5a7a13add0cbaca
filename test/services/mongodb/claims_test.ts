import { MongoClient } from "mongodb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DocumentStore } from "../../../actors/document_store/document_store.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { manualClock } from "../../support/manual_clock.ts";
import { newDatabase, openStore, startServer } from "./server.ts";

const signal = new AbortController().signal;
const LEASE_MS = 10_000;
const CONTENDERS = 6;
const ROUNDS = 15;

const test = suite<{ server: FerretServer; stores: DocumentStore[] }>("claims on work");
test.before(async (context) => {
  context.server = await startServer();
});
test.before.each(async (context) => {
  const url = newDatabase(context.server);
  context.stores = [];
  for (let node = 0; node < CONTENDERS; node++) {
    const store = await openStore(url, { leaseMs: LEASE_MS });
    context.stores.push(store);
    await store.claims.beginSession(`s${node}`, signal);
  }
});
test.after.each(async ({ stores }) => void (await Promise.all(stores.map((store) => store.close()))));
test.after(({ server }) => server.stop());

const claimsOf = (stores: readonly DocumentStore[], node: number) => (stores[node] as DocumentStore).claims;

test("Of nodes that want the same claim at the same moment one gets it, each time", async ({ stores }) => {
  for (let round = 0; round < ROUNDS; round++) {
    const outcomes = await Promise.all(stores.map(({ claims }, node) => claims.claim(`s${node}`, "work", signal)));
    const winner = outcomes.indexOf(true);
    assert.is(outcomes.filter(Boolean).length, 1, `round ${round}: ${outcomes}`);
    assert.ok(await claimsOf(stores, winner).claim(`s${winner}`, "work", signal), "its own again");
    assert.is(await claimsOf(stores, winner).release(`s${winner}`, "work", signal), true, "others wait for it");
  }
});

test("Only the holder's release frees a claim, and what is claimed is known to all", async ({ stores }) => {
  const [one, two] = [claimsOf(stores, 0), claimsOf(stores, 1)];
  assert.ok(await one.claim("s0", "work", signal));
  await two.release("s1", "work", signal);
  assert.is(await two.claim("s1", "work", signal), false);
  assert.ok((await two.claimed(signal)).has("work"));
  await one.release("s0", "work", signal);
  assert.is((await two.claimed(signal)).has("work"), false);
  assert.ok(await two.claim("s1", "work", signal));
});

test("A session that ends frees all of its claims", async ({ stores }) => {
  for (const name of ["one", "two"]) assert.ok(await claimsOf(stores, 0).claim("s0", name, signal));
  await claimsOf(stores, 0).endSession("s0", signal);
  for (const name of ["one", "two"]) assert.ok(await claimsOf(stores, 1).claim("s1", name, signal));
  assert.is(await claimsOf(stores, 0).beat("s0", signal), false);
});

test("A session without a sign of life for the lease's time loses what it holds, and learns of it", async ({ server }) => {
  const url = newDatabase(server);
  const clock = manualClock();
  const [silent, watching] = [await openStore(url), await openStore(url, { leaseMs: LEASE_MS, clock })];
  await silent.claims.beginSession("silent", signal);
  await watching.claims.beginSession("watching", signal);
  assert.ok(await silent.claims.claim("silent", "work", signal));
  assert.is(await watching.claims.claim("watching", "work", signal), false, "it is seen for the first time");
  clock.advanceNow(LEASE_MS - 1);
  assert.ok(await silent.claims.beat("silent", signal));
  assert.is(await watching.claims.claim("watching", "work", signal), false, "it lives");
  clock.advanceNow(LEASE_MS - 1);
  assert.is(await watching.claims.claim("watching", "work", signal), false, "not yet");
  clock.advanceNow(1);
  assert.ok(await watching.claims.claim("watching", "work", signal));
  assert.is(await silent.claims.beat("silent", signal), false);
  await silent.claims.release("silent", "work", signal);
  assert.ok((await watching.claims.claimed(signal)).has("work"), "what it has lost it does not free");
  await Promise.all([silent.close(), watching.close()]);
});

test("What a session that has ended without a word leaves behind is removed by whoever looks at what is claimed", async ({ server }) => {
  const url = newDatabase(server);
  const clock = manualClock();
  const [silent, watching] = [await openStore(url), await openStore(url, { leaseMs: LEASE_MS, clock })];
  await silent.claims.beginSession("silent", signal);
  for (const name of ["one", "two"]) await silent.claims.claim("silent", name, signal);
  const client = new MongoClient(url);
  const kept = () => client.db().collection("claims").countDocuments();
  assert.is((await watching.claims.claimed(signal)).size, 2);
  assert.is(await kept(), 2);
  clock.advanceNow(LEASE_MS);
  assert.is((await watching.claims.claimed(signal)).size, 0);
  assert.is(await kept(), 0);
  await Promise.all([silent.close(), watching.close(), client.close()]);
});

test.run();
