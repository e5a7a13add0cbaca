/** A start on addresses where nobody answers, or where someone takes the connection and says nothing. */
import { createServer, type Server, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import type { StatusNode } from "../../supervisor/child.ts";
import { freePorts } from "../../tooling/servers/free_ports.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

interface Status {
  readonly readiness: string;
  readonly mode: string;
  readonly children: readonly StatusNode[];
}

/** Accepts connections and never answers. */
async function startSilentServer(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

const SERVICES = ["vector_store", "embedding", "redis"] as const;

/** All of the services that a start need not wait for, at one port. */
function settingsFor(port: number): Record<string, string> {
  const limits = (["VECTOR_STORE", "EMBEDDING", "EMBEDDING_CACHE"] as const).flatMap((kind) => [
    [`KENNEL_SUPERVISION_${kind}_START_TIMEOUT_MS`, "1500"],
    [`KENNEL_SUPERVISION_${kind}_BACKOFF_MS`, "50"],
    [`KENNEL_SUPERVISION_${kind}_MAX_BACKOFF_MS`, "200"],
  ]);
  return {
    ...Object.fromEntries(limits),
    KENNEL_MILVUS_URL: `http://127.0.0.1:${port}`,
    KENNEL_REDIS_URL: `redis://127.0.0.1:${port}`,
    KENNEL_EMBEDDING: "openai:test-model",
    OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
    OPENAI_API_KEY: "key",
    KENNEL_OPENAI_MAX_RETRIES: "0",
    KENNEL_OPENAI_ATTEMPT_TIMEOUT_MS: "500",
  };
}

const nameOf = ({ path }: { readonly path: string }) => path.split("/").at(-1) ?? "";

async function whatIsLeft(caller: Caller): Promise<void> {
  const status = () => caller.must<Status>("GET", "/v1/status");
  assert.is((await status()).readiness, "ok");
  await until("all are tried again and again", async () => {
    const { children } = await status();
    return SERVICES.every((name) => (children.find((child) => nameOf(child) === name)?.incarnation ?? 0) >= 3);
  });
  const suspended = (await status()).children.filter((child) => (SERVICES as readonly string[]).includes(nameOf(child)));
  for (const child of suspended) assert.is.not(child.breaker, "closed", `${child.path} cannot be reached`);
  await until("the mode is what is left", async () => (await status()).mode === "lexical");
  // What needs no lost service is served; what is sent waits in its job.
  await caller.makeCollection("pets");
  const job = await caller.must<WireJob>("POST", "/v1/collections/pets/documents", { documents: [{ id: "manx", text: "A cat." }] });
  assert.ok(["queued", "running"].includes((await caller.must<WireJob>("GET", `/v1/jobs/${job.id}`)).status));
  // Nothing was ever indexed, and an outage is never an empty answer.
  const error = await caller.refused("unavailable", "POST", "/v1/collections/pets/search", { query: "cat" });
  assert.match(error.message, /vector_store/);
  await caller.must("GET", "/v1/collections/pets/documents?limit=10");
}

test("Where every connection is refused, a node starts with what is left and goes on trying", async () => {
  const [port] = await freePorts(1);
  await onNode({ ...settingsFor(port as number), KENNEL_OPENAI_DIMENSIONS: "8" }, ({ caller }) => whatIsLeft(caller));
});

test("Where every connection is taken and nothing said, a node starts with what is left and goes on trying", async () => {
  const silent = await startSilentServer();
  try {
    await onNode({ ...settingsFor(silent.port), KENNEL_OPENAI_DIMENSIONS: "8" }, ({ caller }) => whatIsLeft(caller));
  } finally {
    await silent.stop();
  }
});

/** The document store is away, too: nobody knows which collections there are, which is not the same as that there are none. */
async function nothingIsLeft(caller: Caller): Promise<void> {
  assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
  const status = () => caller.must<Status & { readonly collections: number | null }>("GET", "/v1/status");
  const store = async () => (await status()).children.find((child) => nameOf(child) === "document_store");
  await until("it is tried again and again", async () => ((await store())?.incarnation ?? 0) >= 3);
  await until("its next probe is planned", async () => {
    const child = await store();
    return child?.state === "suspended" && child.next_probe_at !== null;
  });
  const { mode, collections } = await status();
  assert.equal([mode, collections], ["down", null]);
  for (const [method, path, body] of [
    ["POST", "/v1/collections/pets/search", { query: "cat" }],
    ["GET", "/v1/collections"],
    ["PUT", "/v1/collections/pets", {}],
  ] as const) {
    const reply = await caller.send<{ error: { code: string; message: string } }>(method, path, body);
    assert.equal([reply.status, reply.body.error.code], [503, "unavailable"]);
    assert.match(reply.body.error.message, "Which collections there are is not known yet");
    assert.ok(Number(reply.headers.get("retry-after")) >= 1);
  }
}

function withoutDocuments(port: number): Record<string, string> {
  return {
    ...settingsFor(port),
    KENNEL_OPENAI_DIMENSIONS: "8",
    KENNEL_MONGODB_URL: `mongodb://127.0.0.1:${port}/?directConnection=true`,
    KENNEL_MONGODB_START_WAIT_MS: "200",
    KENNEL_MONGODB_CONNECT_TIMEOUT_MS: "300",
    KENNEL_MONGODB_SERVER_SELECTION_TIMEOUT_MS: "300",
    KENNEL_SUPERVISION_DOCUMENT_STORE_BACKOFF_MS: "50",
    KENNEL_SUPERVISION_DOCUMENT_STORE_MAX_BACKOFF_MS: "200",
  };
}

test("Where no service is there at all, a node starts and goes on trying; no collection is said not to exist", async () => {
  const silent = await startSilentServer(); // also keeps the process alive while only timers are left
  try {
    const [port] = await freePorts(1);
    await onNode(withoutDocuments(port as number), ({ caller }) => nothingIsLeft(caller));
    await onNode(withoutDocuments(silent.port), ({ caller }) => nothingIsLeft(caller));
  } finally {
    await silent.stop();
  }
});

test("The length of a model's vectors is waited for only so long: documents are refused until it is known", async () => {
  const silent = await startSilentServer();
  try {
    await onNode(settingsFor(silent.port), async ({ caller }) => {
      assert.is((await caller.must<Status>("GET", "/v1/status")).readiness, "ok");
      await caller.makeCollection("pets");
      const body = { documents: [{ id: "manx", text: "A cat." }] };
      const error = await caller.refused("unavailable", "POST", "/v1/collections/pets/documents", body);
      assert.match(error.message, /vectors is not known before its provider has answered/);
    });
  } finally {
    await silent.stop();
  }
});

test.run();
