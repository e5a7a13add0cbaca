/** A node whose document store is a server that is away when it starts, or that it must not use. */
import { MongoClient } from "mongodb";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { FORMAT_VERSION } from "../../../actors/document_store/mongodb/schema.ts";
import type { WireError } from "../../../bridge/schema/errors.ts";
import type { WireJob } from "../../../bridge/schema/jobs.ts";
import type { StatusNode } from "../../../supervisor/child.ts";
import type { FerretServer } from "../../../tooling/servers/ferretdb.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { startServer as startNatsServer } from "../nats/nats_rig.ts";
import { newDatabase, startServer } from "./server.ts";

interface Status {
  readonly mode: string;
  readonly collections: number | null;
  readonly children: readonly StatusNode[];
}

/** A breaker that is quick to try again. */
const QUICK = {
  KENNEL_MONGODB_SERVER_SELECTION_TIMEOUT_MS: "500",
  KENNEL_MONGODB_CONNECT_TIMEOUT_MS: "500",
  KENNEL_SUPERVISION_DOCUMENT_STORE_BACKOFF_MS: "50",
  KENNEL_SUPERVISION_DOCUMENT_STORE_MAX_BACKOFF_MS: "200",
};
/** Nothing is learnt from a start that waits for a dead server. */
const AWAY = { ...QUICK, KENNEL_MONGODB_START_WAIT_MS: "200" };
const PETS = [
  { id: "manx", text: "A cat without a tail." },
  { id: "beagle", text: "A small scent hound." },
];

const status = (caller: Caller) => caller.must<Status>("GET", "/v1/status");
const documentStore = ({ children }: Status) => children.find(({ path }) => path.endsWith("/document_store"));

/** Every way to a collection that may be there says when to come back, and none that it is not there. */
async function nothingIsKnown(caller: Caller): Promise<void> {
  const ways: readonly (readonly [string, string, unknown?])[] = [
    ["POST", "/v1/collections/pets/search", { query: "cat" }],
    ["POST", "/v1/collections/never_made/search", { query: "cat" }],
    ["GET", "/v1/collections/pets"],
    ["GET", "/v1/collections"],
    ["PUT", "/v1/collections/pets", {}],
    ["DELETE", "/v1/collections/pets"],
    ["POST", "/v1/collections/pets/documents", { documents: [{ id: "siam", text: "A cat." }] }],
    ["GET", "/v1/collections/pets/documents/manx"],
    ["POST", "/v1/collections/pets/warm"],
    ["PUT", "/v1/aliases/animals", { collection: "pets" }],
    ["GET", "/v1/jobs/job_1"],
    ["POST", "/v1/chat/completions", { model: "pets", messages: [{ role: "user", content: "cat?" }] }],
    ["GET", "/v1/vector_stores/pets"],
  ];
  for (const [method, path, body] of ways) {
    const reply = await caller.send<WireError>(method, path, body);
    assert.equal([path, reply.status, reply.body.error.code], [path, 503, "unavailable"]);
    assert.ok(Number(reply.headers.get("retry-after")) >= 1, `${path} does not say when to come back`);
  }
  const error = await caller.refused("unavailable", "POST", "/v1/collections/pets/search", { query: "cat" });
  assert.match(error.message, /Which collections there are is not known yet: The document store "document_store" is /);
  assert.not.match(error.message, /mongodb:|127\.0\.0\.1/);
}

const test = suite<{ server: FerretServer; alive: ReturnType<typeof setInterval> }>("a start without the document store's server");
test.before.each(async (context) => {
  // The clock's timers alone, which is all there is while the server is away, do not keep a process alive.
  context.alive = setInterval(() => {}, 1_000);
  context.server = await startServer();
});
test.after.each(async ({ server, alive }) => {
  await server.stop();
  clearInterval(alive);
});

test("A node that starts while its server is away is ready and says so; when the server comes, collections, jobs and searches do", async ({
  server,
}) => {
  const KENNEL_MONGODB_URL = newDatabase(server);
  await onNode({ ...QUICK, KENNEL_MONGODB_URL, KENNEL_MONGODB_START_WAIT_MS: "20000" }, async (rig) => {
    await rig.caller.makeCollection("pets");
    await rig.caller.addDocuments("pets", PETS);
    await rig.caller.must("PUT", "/v1/aliases/animals", { collection: "pets" });
    // The node is gone before this job can be done.
    const open = await rig.caller.must<WireJob>("POST", "/v1/collections/pets/documents", { documents: [{ id: "siam", text: "A cat with points." }] }); // biome-ignore format: one call
    await rig.restart(async () => server.kill("SIGKILL"), { ...AWAY, KENNEL_MONGODB_URL });

    const { caller } = rig;
    assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
    await until("the store is suspended", async () => documentStore(await status(caller))?.state === "suspended");
    const { mode, collections, children } = await status(caller);
    assert.equal([mode, collections], ["down", null]);
    assert.is(children.find(({ path }) => path.endsWith("/vector_store"))?.state, "ready", "no other service noticed");
    await until("its next probe is planned", async () => documentStore(await status(caller))?.next_probe_at !== null);
    assert.match(documentStore(await status(caller))?.last_error ?? "", /cannot be reached/);
    await nothingIsKnown(caller);

    await server.restart();
    await until("the collections are known", async () => (await status(caller)).collections === 1);
    assert.is((await caller.jobEnded(open)).status, "completed");
    assert.equal((await caller.found("animals", { query: "cat" })).slice(0, 2).sort(), ["manx", "siam"]);
    await caller.addDocuments("pets", [{ id: "dachshund", text: "A dog of short legs." }]);
    assert.equal((await caller.found("pets", { query: "short legs", top_k: 1 })), ["dachshund"]); // biome-ignore format: one call
    await until("the mode is full", async () => (await status(caller)).mode === "full");
    const error = await caller.refused("not_found", "POST", "/v1/collections/never_made/search", { query: "cat" });
    assert.match(error.message, "never_made");
  });
});

test("A node that is stopped before its server came ends as any other", async ({ server }) => {
  server.kill("SIGKILL");
  await onNode({ ...AWAY, KENNEL_MONGODB_URL: newDatabase(server) }, async ({ node, caller }) => {
    await caller.refused("unavailable", "GET", "/v1/collections");
    await node.stop("done");
    assert.is(node.supervisor.status().children.length, 0);
  });
  await server.restart();
});

test("A node of a cluster is not ready before it knows the collections, answers that it lives, and then stays ready whatever the server does", async ({
  server,
}) => {
  const nats = await startNatsServer();
  server.kill("SIGKILL");
  try {
    await onNode({ ...AWAY, KENNEL_MONGODB_URL: newDatabase(server), KENNEL_NATS_URL: nats.url }, async ({ caller }) => {
      const readiness = async () => {
        const { status, body } = await caller.send<{ readonly status: string }>("GET", "/readyz");
        return [status, body.status];
      };
      assert.equal(await readiness(), [503, "starting"]);
      assert.equal(await caller.must("GET", "/healthz"), { status: "ok" });
      await server.restart();
      await until("it is ready", async () => (await readiness())[0] === 200);
      await caller.makeCollection("pets");
      server.kill("SIGKILL");
      await until("the server is missed", async () => (await caller.send("PUT", "/v1/collections/plants", {})).status === 503);
      assert.equal(await readiness(), [200, "ok"]);
      await server.restart();
    });
  } finally {
    await nats.stop();
  }
});

test("A first start on a server that comes later loads the documentation", async ({ server }) => {
  server.kill("SIGKILL");
  const settings = { ...AWAY, KENNEL_MONGODB_URL: newDatabase(server), KENNEL_LOAD_DOCUMENTATION: "true" };
  await onNode(settings, async ({ caller }) => {
    await caller.refused("unavailable", "GET", "/v1/collections/kennel");
    await server.restart();
    await until("the documentation is there", async () => (await caller.send("GET", "/v1/collections/kennel")).status === 200);
  });
});

test("A database of a newer format refuses the start, and says what to do", async ({ server }) => {
  const url = newDatabase(server);
  const client = new MongoClient(url);
  await client
    .db()
    .collection<{ _id: string }>("format")
    .insertOne({ _id: "kennel", version: FORMAT_VERSION + 1 } as never);
  await client.close();
  const refusal = await onNode({ ...QUICK, KENNEL_MONGODB_START_WAIT_MS: "20000", KENNEL_MONGODB_URL: url }, async () => {}).then(
    () => "it started",
    (error: Error) => error.message,
  );
  assert.match(refusal, `its format is version ${FORMAT_VERSION + 1}, this Kennel knows up to ${FORMAT_VERSION}; start the newer Kennel`);
});

test.run();
