/** Three real processes whose heartbeats belong to groups from the third on, on three NATS servers and stores that they share. */
import { connect } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ClusterClient } from "../../../examples/nats_cluster.ts";
import { until } from "../nats/nats_rig.ts";
import { answeredWhile, type ClusterStatus, Load, Nodes, type SharedServers, startSharedServers } from "./cluster_rig.ts";

/** Two groups: b, and a and c, for which a speaks while it lives. */
const NAMES = ["a", "b", "c"];
const CLIENTS = 3;

type GroupedStatus = ClusterStatus & { readonly heartbeats: { readonly groups: number; readonly speaks: boolean } };

let servers: SharedServers | undefined;
let nodes: Nodes;
const test = suite("cluster in groups");

const statusOf = async (name: string) => (await nodes.cluster(name)) as GroupedStatus;

/** What all say of all, by the name of who says it. */
async function statesSeen(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
  const seen: Record<string, Record<string, string>> = {};
  for (const name of nodes.names) seen[name] = Object.fromEntries((await statusOf(name)).nodes.map(({ node, state }) => [node, state]));
  return seen;
}

async function areGrouped(): Promise<boolean> {
  for (const name of nodes.names) if ((await statusOf(name)).heartbeats.groups !== 2) return false;
  const seen = await statesSeen();
  return nodes.names.every((name) => nodes.names.every((other) => seen[name]?.[other] === "alive"));
}

/** Runs while clients ask, and until they have asked a good deal since. */
const underLoad = (what: () => Promise<void>) => answeredWhile(new Load(nodes, "docs", CLIENTS, () => undefined), what);

test.before(async () => {
  servers = await startSharedServers();
  nodes = new Nodes({ ...servers.env, KENNEL_CLUSTER_MESH_NODES: "2" });
  await nodes.start("a");
  assert.is((await nodes.call("a", "PUT", "/v1/collections/docs", { replicas: 2 })).status, 201);
  const documents = Array.from({ length: 30 }, (_, at) => ({ id: `d${at}`, text: `Document number ${at} is about birds` }));
  const { body } = await nodes.call<{ readonly id: string }>("a", "POST", "/v1/collections/docs/documents", { documents });
  await until("the job is completed", async () => {
    return (await nodes.call<{ readonly status: string }>("a", "GET", `/v1/jobs/${body.id}`)).body.status === "completed";
  });
  for (const name of ["b", "c"]) await nodes.start(name);
  await until("all are in groups and see each other", areGrouped);
});
test.after(async () => {
  await nodes?.stopAll();
  await servers?.stop();
});

test("The status says how heartbeats go, who speaks, and of each node of every group what it holds and one leader", async () => {
  for (const name of NAMES) await nodes.call(name, "POST", "/v1/collections/docs/search", { query: `birds, asked of ${name}`, top_k: 3 });
  await until("it is open on the two nodes that are to hold it, as all see it", async () => {
    for (const name of NAMES) {
      const { collections, nodes: members } = await statusOf(name);
      const [place] = collections;
      if (place?.nodes.length !== 2 || !place.owners.every((owner) => place.nodes.includes(owner))) return false;
      if (members.filter(({ collections: held }) => held === 1).length !== 2) return false;
    }
    return true;
  });
  await until("b speaks for its group, a for itself and c", async () => {
    const spoken = await Promise.all(NAMES.map(async (name) => (await statusOf(name)).heartbeats));
    return JSON.stringify(spoken) === JSON.stringify([true, true, false].map((speaks) => ({ groups: 2, speaks })));
  });
  const all = await Promise.all(NAMES.map(statusOf));
  const [leader] = all.map((status) => status.leader);
  assert.ok(leader !== null && all.every((status) => status.leader === leader));
});

test("A client that follows heartbeats and digests asks a node that holds the collection", async () => {
  const nats = await connect({ servers: (servers?.nats ?? []).map(({ url }) => url) });
  try {
    const client = new ClusterClient(nats);
    await until("it has heard who holds the collection, which digests tell again by turns", () => client.nodeOf("docs") !== null);
    for (let at = 0; at < 10; at++) assert.is((await client.search("docs", { query: `birds ${at}`, top_k: 3 }, 30_000)).data.length, 3);
  } finally {
    await nats.close();
  }
});

test("A node that speaks for its group is killed (kill -9) while clients ask: no query fails, and the others are seen on", async () => {
  await underLoad(async () => {
    await nodes.kill("a");
    await until("a is dead, and c speaks in its place", async () => {
      const seen = await statesSeen();
      for (const name of nodes.names)
        for (const other of nodes.names) assert.is(seen[name]?.[other], "alive", `${name} takes ${other} for ${seen[name]?.[other]}`);
      return seen.b?.a === "dead" && seen.c?.a === "dead" && (await statusOf("c")).heartbeats.speaks;
    });
  });
  await nodes.start("a");
  await until("all are in groups again", areGrouped);
});

test("Nodes that are drained one by one while clients ask lose no query", async () => {
  await underLoad(async () => {
    for (const name of ["c", "b"]) {
      await nodes.drain(name);
      await nodes.start(name);
      await until("all are in groups again", areGrouped);
    }
  });
});

test.run();
