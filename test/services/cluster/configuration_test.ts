/** Two real processes with the stores that they share: what is said or changed on one of them holds, or is seen, on the other. */
import { connect, type NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CONFIG_BUCKET } from "../../../cluster/nats/config_bucket.ts";
import type { NatsServer } from "../../../tooling/servers/nats.ts";
import { startServer as startMilvusServer } from "../milvus/stores.ts";
import { newDatabase, startServer as startFerretServer } from "../mongodb/server.ts";
import { startServer as startNatsServer, until as untilWithin } from "../nats/nats_rig.ts";
import { Nodes } from "./cluster_rig.ts";

const endings: (() => Promise<unknown>)[] = [];
let nats: NatsServer;
let client: NatsConnection;
let nodes: Nodes;
const test = suite("configuration of a cluster");

interface Status {
  readonly mode: string;
  readonly forced_mode: string | null;
  readonly flags: readonly { readonly flag: string; readonly enabled: boolean; readonly source: string }[];
  readonly cluster: {
    readonly mode: string;
    readonly leader: string | null;
    readonly counts: Readonly<Record<string, number>>;
    readonly configuration: { readonly state: string; readonly operators_epoch: number; readonly keys: number };
  };
}

interface Answer {
  readonly data?: readonly { readonly document_id: string }[];
  readonly mode?: string;
  readonly error?: { readonly code: string };
}

/** Processes on a machine that has much else to do. */
const until = (what: string, look: () => boolean | Promise<boolean>) => untilWithin(what, look, 60_000);
const statusOf = async (name: string) => (await nodes.call<Status>(name, "GET", "/v1/status")).body;
const isOn = async (name: string, flag: string) => (await statusOf(name)).flags.find((one) => one.flag === flag)?.enabled;
const ask = (name: string, collection: string, query = "heron") =>
  nodes.call<Answer>(name, "POST", `/v1/collections/${collection}/search`, { query });
const idsOf = async (name: string, collection: string, query?: string) =>
  ((await ask(name, collection, query)).body.data ?? []).map(({ document_id: id }) => id);

async function keysThere(): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of await (await client.jetstream().views.kv(CONFIG_BUCKET, { bindOnly: true })).keys()) keys.push(key);
  return keys;
}

async function must(name: string, method: string, path: string, body?: unknown): Promise<void> {
  const answer = await nodes.call(name, method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

async function ingest(name: string, collection: string, id: string, text: string): Promise<void> {
  const job = await nodes.call<{ readonly id: string }>(name, "POST", `/v1/collections/${collection}/documents`, {
    documents: [{ id, text }],
  });
  assert.is(job.status, 202, JSON.stringify(job.body));
  await until("the job is completed", async () => {
    return (await nodes.call<{ readonly status: string }>(name, "GET", `/v1/jobs/${job.body.id}`)).body.status === "completed";
  });
}

test.before(async () => {
  nats = await startNatsServer();
  endings.push(() => nats.stop());
  const ferret = await startFerretServer();
  endings.push(() => ferret.stop());
  const milvus = await startMilvusServer("milvus_lite");
  endings.push(() => milvus.stop());
  client = await connect({ servers: nats.address });
  endings.push(() => client.close());
  nodes = new Nodes({
    KENNEL_NATS_URL: nats.url,
    KENNEL_MILVUS_URL: `http://${milvus.address}`,
    KENNEL_MONGODB_URL: newDatabase(ferret),
    KENNEL_LOAD_DOCUMENTATION: "false",
  });
  endings.push(() => nodes.stopAll());
  await nodes.start("a");
  await nodes.start("b");
  await until("both are level and one leads", async () => {
    const all = await Promise.all(["a", "b"].map(statusOf));
    return all.every(({ cluster }) => cluster.configuration.state === "level" && cluster.leader !== null);
  });
  // Each node answers from what it holds itself: what is not taken over is then seen.
  await must("a", "PUT", "/v1/flags/routing", { enabled: false, reason: "each answers for itself" });
  await until("b does, too", async () => (await isOn("b", "routing")) === false);
});
test.after(async () => {
  for (const end of endings.reverse()) await end();
});

test("A collection that one node makes, fills, alters and deletes is the same on the other, which has it warm", async () => {
  await must("a", "PUT", "/v1/collections/birds", {});
  await ingest("a", "birds", "heron", "Herons nest in colonies.");
  await until("b finds it", async () => (await idsOf("b", "birds")).includes("heron"));
  await must("b", "POST", "/v1/collections/birds/warm");
  assert.equal(await idsOf("b", "birds"), ["heron"], "warm, and its answer kept");

  await ingest("a", "birds", "grey", "The grey heron is the tallest.");
  await until("b's kept answer is not given any more", async () => (await idsOf("b", "birds")).includes("grey"));
  await must("a", "DELETE", "/v1/collections/birds/documents/heron");
  await until("b does not show what is deleted", async () => !(await idsOf("b", "birds")).includes("heron"));

  await must("a", "PUT", "/v1/collections/birds", { replicas: 2 });
  await until("b has the settings", async () => {
    const { body } = await nodes.call<{ readonly settings: { readonly replicas: number } }>("b", "GET", "/v1/collections/birds");
    return body.settings.replicas === 2;
  });

  await must("a", "DELETE", "/v1/collections/birds");
  await until("b knows that it is gone", async () => (await ask("b", "birds")).status === 404);
  await must("a", "PUT", "/v1/collections/birds", {});
  await ingest("a", "birds", "stork", "A stork is no heron.");
  await until("b has the new one of that name, and nothing of the old one", async () => {
    const ids = await idsOf("b", "birds");
    return ids.length === 1 && ids[0] === "stork";
  });
});

test("An alias that one node makes, moves and deletes leads to the same place on the other", async () => {
  for (const [collection, id] of [
    ["cats", "manx"],
    ["dogs", "beagle"],
  ] as const) {
    await must("a", "PUT", `/v1/collections/${collection}`, {});
    await ingest("a", collection, id, "A pet that hunts.");
  }
  await must("a", "PUT", "/v1/aliases/pets", { collection: "cats" });
  await until("b follows it", async () => (await idsOf("b", "pets", "hunts"))[0] === "manx");
  await must("a", "PUT", "/v1/aliases/pets", { collection: "dogs" });
  await until("b follows where it was moved", async () => (await idsOf("b", "pets", "hunts"))[0] === "beagle");
  await must("b", "DELETE", "/v1/aliases/pets");
  await until("a knows that it is gone", async () => (await ask("a", "pets", "hunts")).status === 404);
});

test("A mode that is forced on one node holds on all, also on one that joins later, until it is taken back anywhere", async () => {
  await must("b", "PUT", "/v1/mode", { mode: "lexical" });
  await until("a has it", async () => (await statusOf("a")).forced_mode === "lexical");
  assert.is((await ask("a", "cats", "hunts")).body.mode, "lexical");
  await until("the leader tells all of it", async () => (await statusOf("b")).cluster.mode === "lexical");
  await nodes.start("late");
  await until("the late one has it", async () => (await statusOf("late")).forced_mode === "lexical");
  await must("a", "PUT", "/v1/mode", { mode: "basic", scope: "node" });
  assert.equal([(await statusOf("a")).forced_mode, (await statusOf("b")).forced_mode], ["basic", "lexical"]);
  await must("a", "PUT", "/v1/mode", { mode: null });
  for (const name of ["a", "b", "late"])
    await until(`${name} decides itself again`, async () => (await statusOf(name)).forced_mode === null);
  await nodes.drain("late");
});

test("A flag that is switched on one node is switched on all; one that is switched on the node alone is not", async () => {
  await must("a", "PUT", "/v1/flags/answer_cache", { enabled: false });
  await until("b has it off", async () => (await isOn("b", "answer_cache")) === false);
  await must("b", "PUT", "/v1/flags/coalescing", { enabled: false, scope: "node" });
  assert.equal([await isOn("a", "coalescing"), await isOn("b", "coalescing")], [true, false]);
  await must("b", "DELETE", "/v1/flags/answer_cache");
  await until("a has it on again", async () => (await isOn("a", "answer_cache")) === true);
});

test("A bucket that is deleted under the running cluster is made anew from what the nodes and the store hold", async () => {
  await must("a", "PUT", "/v1/mode", { mode: "lexical" });
  await until("b has it", async () => (await statusOf("b")).forced_mode === "lexical");
  const manager = await client.jetstreamManager();
  await manager.streams.delete(`KV_${CONFIG_BUCKET}`);
  await manager.streams.delete("KV_kennel_cluster");
  const isThere = async (part: string, count: number) => {
    const keys = await keysThere().catch((): readonly string[] => []);
    return keys.filter((key) => key.includes(part)).length === count;
  };
  await until("the mode is there again", () => isThere(".operators", 1));
  await until("one leads again", async () => (await statusOf("a")).cluster.leader !== null);
  await until("the collections are there again", () => isThere(".collections.", 3));
  for (const name of ["a", "b"]) {
    await until(`${name} has noticed`, async () => ((await statusOf(name)).cluster.counts.configuration_bucket_replaced ?? 0) >= 1);
    assert.is((await statusOf(name)).forced_mode, "lexical");
    assert.match(nodes.of(name).output(), /was gone and has been made anew/);
  }
  await must("b", "PUT", "/v1/mode", { mode: null });
  await until("it works as before", async () => (await statusOf("a")).forced_mode === null);
});

test("While NATS is away the cluster cannot be told, the node can; what the store was told meanwhile all have afterwards", async () => {
  nats.kill("SIGKILL");
  await until("both know", async () => {
    const all = await Promise.all(["a", "b"].map(statusOf));
    return all.every(({ cluster }) => cluster.configuration.state === "away");
  });
  const refused = await nodes.call<Answer>("a", "PUT", "/v1/mode", { mode: "down" });
  assert.equal([refused.status, refused.body.error?.code], [503, "unavailable"]);
  await must("a", "PUT", "/v1/mode", { mode: "lexical", scope: "node" });
  await must("a", "PUT", "/v1/mode", { mode: null, scope: "node" });
  await must("a", "PUT", "/v1/collections/missed", {});
  await must("a", "PUT", "/v1/aliases/overlooked", { collection: "cats" });
  await must("a", "DELETE", "/v1/collections/dogs");
  await nats.restart();
  await until("b has made up for it", async () => {
    const [missed, overlooked, dogs] = await Promise.all([ask("b", "missed"), ask("b", "overlooked", "hunts"), ask("b", "dogs")]);
    return missed.status === 200 && overlooked.body.data?.[0]?.document_id === "manx" && dogs.status === 404;
  });
});

test.run();
