import { MongoClient } from "mongodb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Leases } from "../../../actors/document_store/mongodb/lease.ts";
import type { LeaseDocument } from "../../../actors/document_store/mongodb/schema.ts";
import { systemClock } from "../../../runtime/clock.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { SETTINGS } from "../../actors/document_store/documents.ts";
import { newDatabase, openStore, startServer } from "./server.ts";

/** Far more commands, one after the other, than taking a lease needs. */
const COMMANDS = 40;
const LEFT: LeaseDocument = { _id: "docs", owner: "dead", op: "dead.1", committed: 1, fence: 7, beat: 3 };

const test = suite<{ server: FerretServer; client: MongoClient }>("leases of collections");
test.before(async (context) => {
  context.server = await startServer();
  context.client = await MongoClient.connect(newDatabase(context.server));
});
test.after(async ({ server, client }) => {
  await client.close();
  await server.stop();
});

test("Who wants to write while the same node ends what a dead one has left waits for that, and takes its lease from nobody", async ({
  client,
}) => {
  const leases = client.db().collection<LeaseDocument>("leases");
  await leases.insertOne(LEFT);
  const node = new Leases({ leases, owner: "node", leaseMs: 100, waitMs: 10_000, clock: systemClock() });
  const happened: string[] = [];
  let written: Promise<void> | null = null;
  const settling = node.settle(LEFT, async ({ op }) => {
    written = node.hold(
      "docs",
      async (left) => void happened.push(`${left.op} ended again`),
      async (lease) => {
        happened.push("written");
        await lease.release();
      },
    );
    for (let command = 0; command < COMMANDS; command++) await leases.findOne({ _id: "docs" });
    happened.push(`${op} ended`);
  });
  await settling;
  await written;
  assert.equal(happened, ["dead.1 ended", "written"]);
  assert.is((await leases.findOne({ _id: "docs" }))?.owner, null);
});

test("What a dead node held is writable again, also where calls may take less than a lease's time", async ({ server }) => {
  const url = newDatabase(server);
  const other = await MongoClient.connect(url);
  await other
    .db()
    .collection<LeaseDocument>("leases")
    .insertOne({ ...LEFT, committed: null });
  await other.close();
  const store = await openStore(url, { callTimeoutMs: 200, leaseMs: 1_000, settleMs: 1 });
  const outcomes: string[] = [];
  const isWaiting = () => outcomes.at(-1) === "deadline_exceeded" || outcomes.at(-1) === "unavailable";
  do {
    const made = store.createCollection("docs", SETTINGS, new AbortController().signal);
    outcomes.push(
      await made.then(
        () => "made",
        (error) => error.code as string,
      ),
    );
  } while (isWaiting() && outcomes.length < 20);
  assert.not.ok(isWaiting(), String(outcomes));
  assert.is((await store.getCollection("docs", new AbortController().signal))?.name, "docs", "made by this call, or by one before it");
  await store.close();
});

test.run();
