/** What strangers, mistakes and missing permissions do to a node on a real NATS: FAULTS.md says which outcome each has. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { connect, type NatsConnection, headers as natsHeaders } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DEFAULT_OPTIONS, type SearchRequest } from "../../../actors/retriever/search.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { decodeBody, encodeBody } from "../../../transport/nats/body.ts";
import { NATS_HEADERS, readError, writeHeaders } from "../../../transport/nats/headers.ts";
import { nodeSubject } from "../../../transport/nats/subjects.ts";
import { type KennelProcess, startKennel } from "../../support/kennel_process.ts";
import { headersFor } from "../../transport/transport_contract.ts";
import { startServer, until, WAIT_MS } from "../nats/nats_rig.ts";
import type { ClusterStatus } from "./cluster_rig.ts";

const HEARTBEAT = "kennel.v1.cluster.heartbeat";
const test = suite("faults of a cluster");
let server: NatsServer | undefined;
let node: KennelProcess | undefined;
let client: NatsConnection | undefined;

const theNode = () => node as KennelProcess;
const theClient = () => client as NatsConnection;
const environment = (name: string, natsUrl: string) => ({
  KENNEL_NODE_NAME: name,
  KENNEL_NATS_URL: natsUrl,
  KENNEL_LOAD_DOCUMENTATION: "false",
});

async function call(kennel: KennelProcess, method: string, path: string, body?: unknown) {
  const answer = await fetch(`${kennel.url}${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(WAIT_MS),
  });
  return { status: answer.status, text: await answer.text() };
}

async function clusterOf(kennel: KennelProcess): Promise<ClusterStatus & { readonly is_name_taken: boolean }> {
  return JSON.parse((await call(kennel, "GET", "/v1/status")).text).cluster;
}

async function countOf(kennel: KennelProcess, event: string): Promise<number> {
  const { text } = await call(kennel, "GET", "/metrics");
  return Number(new RegExp(`kennel_nats_events_total\\{event="${event}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
}

async function finds(kennel: KennelProcess): Promise<boolean> {
  const { status, text } = await call(kennel, "POST", "/v1/collections/pets/search", { query: `hare ${Math.random()}` });
  return status === 200 && text.includes('"beagle"');
}

/** What the node says of its stores: who says the same is a member. */
async function ownBeat(): Promise<Readonly<Record<string, unknown>>> {
  let beat: Record<string, unknown> | null = null;
  const heard = theClient().subscribe(HEARTBEAT, { callback: (_error, message) => (beat = message.json()) });
  await until("the node beats", () => beat?.node === "new");
  heard.unsubscribe();
  return beat ?? {};
}

test.before(async () => {
  server = await startServer();
  node = await startKennel(environment("new", server.url));
  client = await connect({ servers: server.url });
  assert.is((await call(node, "PUT", "/v1/collections/pets", {})).status, 201);
  await call(node, "POST", "/v1/collections/pets/documents", { documents: [{ id: "beagle", text: "A hound bred to hunt hare" }] });
  await until("the document is found", () => finds(theNode()));
});
test.after(async () => {
  await client?.close();
  await node?.stop();
  await server?.stop();
});

test("What is malformed or too large on the subjects of all nodes is dropped, counted and told once; queries go on", async () => {
  const { stores } = await ownBeat();
  const tooLarge = JSON.stringify({ v: 1, node: "x", incarnation: { started_ms: 1, id: "x" }, sequence: 1, more: "x".repeat(600_000) });
  const subjects = {
    heartbeat: HEARTBEAT,
    digest: "kennel.v1.cluster.digest",
    control: `kennel.v1.cluster.control.${stores}`,
    collections: "kennel.v1.events.collections",
  };
  for (const [name, subject] of Object.entries(subjects)) {
    for (const payload of ["", "{", "[]", '{"node":"../x"}', tooLarge]) theClient().publish(subject, payload);
    await until(`${name}: all are counted`, async () => (await countOf(theNode(), `malformed_${name}`)) === 5);
    await until(`${name}: it is told`, () => theNode().output().includes(`"event":"malformed_${name}"`));
    assert.is(theNode().output().split(`"event":"malformed_${name}"`).length, 2); // once a minute
  }
  assert.equal(
    (await clusterOf(theNode())).nodes.map(({ node: name }) => name),
    ["new"],
  );
  assert.ok(await finds(theNode()));
});

test("A node that tells no more than the first version did, and one that tells more than this one knows, are members", async () => {
  const { stores } = await ownBeat();
  const first = { v: 1, node: "first", incarnation: { started_ms: 1, id: "f" }, stores };
  const later = {
    v: 3,
    node: "later",
    incarnation: { started_ms: 1, id: "l" },
    stores,
    ready: { version: 1, names: [], more: 1 },
    mood: "calm",
  };
  let sequence = 0;
  await until("both are alive", async () => {
    sequence += 1;
    for (const beat of [first, later]) theClient().publish(HEARTBEAT, JSON.stringify({ ...beat, sequence }));
    const states = (await clusterOf(theNode())).nodes.map(({ node: name, state }) => `${name} ${state}`);
    return states.includes("first alive") && states.includes("later alive");
  });
  assert.is(await countOf(theNode(), "other_wire"), 2);
  assert.match(theNode().output(), /"peer":"later","wire":3.*another version/);
  for (const beat of [first, later]) theClient().publish(HEARTBEAT, JSON.stringify({ ...beat, sequence: sequence + 1, leaving: true }));
  assert.ok(await finds(theNode()));
});

test("A request between nodes as the first version sent it is answered", async () => {
  const request: SearchRequest = {
    collection: "pets",
    query: "hare",
    vector: null,
    strategy: "bm25",
    options: DEFAULT_OPTIONS,
    topK: 1,
    candidateK: 10,
    filter: null,
    fusion: null,
    groupBy: null,
    scoreThreshold: null,
    rerank: false,
    allowDegraded: null,
    minVersion: null,
    include: [],
    explain: false,
    useCache: false,
  };
  const headers = writeHeaders(headersFor(WAIT_MS));
  assert.is(headers.has(NATS_HEADERS.parts), false);
  const subject = nodeSubject("new", "routed_search");
  const answer = await theClient().request(subject, encodeBody(request), { headers, timeout: WAIT_MS });
  assert.is(readError(answer.headers), null);
  assert.match(new TextDecoder("latin1").decode(answer.data), "beagle");
});

test("A question that a node of the first version has really sent is answered", async () => {
  const lines = readFileSync(new URL("../../data/older/wire_first_version.jsonl", import.meta.url), "utf8").split("\n");
  const { headers, base64 } = JSON.parse(lines.find((line) => line.includes(".b.routed_search")) as string);
  const body = Buffer.from(base64, "base64");
  const { collection } = decodeBody(body) as SearchRequest;
  assert.is((await call(theNode(), "PUT", `/v1/collections/${collection}`, {})).status, 201);
  await call(theNode(), "POST", `/v1/collections/${collection}/documents`, { documents: [{ id: "rex", text: "Rex is a dog" }] });
  const given = natsHeaders();
  for (const [name, value] of Object.entries(headers)) given.set(name, String(value));
  const ask = () => theClient().request(nodeSubject("new", "routed_search"), body, { headers: given, timeout: WAIT_MS });
  await until("the document is found", async () => new TextDecoder("latin1").decode((await ask()).data).includes("Rex is a dog"));
  assert.is(readError((await ask()).headers), null);
});

test("Of two nodes with one name the later one keeps to itself and says so, and both answer", async () => {
  const second = await startKennel(environment("new", (server as NatsServer).url));
  try {
    await until("the second one knows", async () => (await clusterOf(second)).is_name_taken);
    assert.match(second.output(), "another node has this one's name");
    assert.is(await countOf(second, "name_taken"), 1);
    assert.is((await clusterOf(theNode())).is_name_taken, false);
    assert.is((await call(second, "GET", "/v1/collections")).status, 200);
    assert.ok(await finds(theNode()));
  } finally {
    await second.stop();
  }
});

test("A node that may not publish heartbeats says which subject it lacks, counts it, and goes on answering", async () => {
  const accounts = `
accounts { KENNEL: { jetstream: enabled, users: [
  { user: mute, password: "s3cret", permissions: { publish: { deny: ["${HEARTBEAT}"] } } }
] } }`;
  const strict = await startServer({ configuration: accounts });
  const mute = await startKennel({ ...environment("mute", strict.url), KENNEL_NATS_USER: "mute", KENNEL_NATS_PASSWORD: "s3cret" });
  try {
    await until("it is told", () => mute.output().includes("its user lacks the permission"));
    assert.match(mute.output(), `"operation":"publish","subject":"${HEARTBEAT}"`);
    assert.not.match(mute.output(), "s3cret");
    await until("it is counted", async () => (await countOf(mute, "permission_denied")) >= 1);
    const { nats } = JSON.parse((await call(mute, "GET", "/v1/status")).text);
    assert.equal(nats.denied, [`publish ${HEARTBEAT}`]);
    assert.is((await call(mute, "PUT", "/v1/collections/pets", {})).status, 201);
  } finally {
    await mute.stop();
    await strict.stop();
  }
});

test.run();
