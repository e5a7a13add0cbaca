/** Three real processes on three NATS servers, with a store for vectors and one for documents that they share. */
import { connect } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ClusterClient } from "../../../examples/nats_cluster.ts";
import { until } from "../nats/nats_rig.ts";
import { answeredWhile, type ClusterStatus, Load, Nodes, type SharedServers, startSharedServers } from "./cluster_rig.ts";

const NAMES = ["a", "b", "c"];
const CLIENTS = 3;

let servers: SharedServers | undefined;
let nodes: Nodes;
const test = suite("cluster");

const sharedNats = () => servers?.nats ?? [];
type Place = ClusterStatus["collections"][number];
const statesOf = ({ nodes: members }: ClusterStatus) => Object.fromEntries(members.map(({ node, state }) => [node, state]));
const allAlive = async () => {
  for (const name of nodes.names) {
    const states = statesOf(await nodes.cluster(name));
    if (!NAMES.every((node) => states[node] === "alive")) return false;
  }
  return true;
};

/** A node that holds the collection and is to hold it. */
async function ownerOfDocs(): Promise<string> {
  let owner: string | undefined;
  await until("a node holds the collection", async () => {
    const [place] = (await nodes.cluster("a")).collections;
    owner = place?.owners.find((node) => place.nodes.includes(node));
    return owner !== undefined;
  });
  return owner as string;
}

/** Open on the two nodes that are to hold it, and on no other. */
async function isInPlace(): Promise<boolean> {
  const [place] = (await nodes.cluster("a")).collections;
  return place !== undefined && place.nodes.length === 2 && place.owners.every((owner) => place.nodes.includes(owner));
}

async function ingest(name: string, documents: readonly { readonly id: string; readonly text: string }[]): Promise<void> {
  const { status, body } = await nodes.call<{ readonly id: string }>(name, "POST", "/v1/collections/docs/documents", { documents });
  assert.is(status, 202);
  await until("the job is completed", async () => {
    const job = await nodes.call<{ readonly status: string }>(name, "GET", `/v1/jobs/${body.id}`);
    return job.body.status === "completed";
  });
}

/** Runs while clients ask, and until they have asked a good deal since. */
const underLoad = (what: () => Promise<void>) => answeredWhile(new Load(nodes, "docs", CLIENTS, () => undefined), what);

test.before(async () => {
  servers = await startSharedServers();
  nodes = new Nodes(servers.env);
  await nodes.start("a");
  assert.is((await nodes.call("a", "PUT", "/v1/collections/docs", { replicas: 2 })).status, 201);
  const kinds = ["cats", "dogs", "birds"];
  await ingest(
    "a",
    Array.from({ length: 30 }, (_, at) => ({ id: `d${at}`, text: `Document number ${at} is about ${kinds[at % 3]}` })),
  );
  for (const name of ["b", "c"]) await nodes.start(name);
});
test.after(async () => {
  await nodes?.stopAll();
  await servers?.stop();
});

test("Nodes that share a NATS and their stores see each other and have one leader", async () => {
  await until("all see all", allAlive);
  await until("one leads", async () => {
    const leaders = await Promise.all(NAMES.map(async (name) => (await nodes.cluster(name)).leader));
    return leaders[0] !== null && leaders.every((leader) => leader === leaders[0]);
  });
});

test("A collection that one node has made and filled is answered for by all, from where it is to be", async () => {
  for (const name of NAMES) {
    const { status, body } = await nodes.call<{ readonly data: readonly { readonly text: string }[] }>(
      name,
      "POST",
      "/v1/collections/docs/search",
      { query: `birds, asked of ${name}`, top_k: 3 },
    );
    assert.is(status, 200);
    assert.equal(
      body.data.map(({ text }) => /birds/.test(text)),
      [true, true, true],
    );
  }
  await until("it is open where it is to be, and nowhere else", isInPlace);
});

test("A client that follows heartbeats asks a node that holds the collection: nothing is forwarded, as it is without them", async () => {
  const nats = await connect({ servers: sharedNats().map(({ url }) => url) });
  try {
    const client = new ClusterClient(nats);
    await until("it is open where it is to be, and nowhere else", isInPlace);
    await until("it has heard who holds the collection", () => client.nodeOf("docs") !== null);
    const counts = async () => {
      const all = await Promise.all(NAMES.map(async (name) => (await nodes.cluster(name)).queries));
      return { queries: all.reduce((sum, each) => sum + each.queries, 0), forwarded: all.reduce((sum, each) => sum + each.forwarded, 0) };
    };
    const before = await counts();
    for (let at = 0; at < 40; at++) assert.is((await client.search("docs", { query: `cats ${at}`, top_k: 3 }, 30_000)).data.length, 3);
    const after = await counts();
    assert.is(after.queries - before.queries, 40);
    assert.is(after.forwarded - before.forwarded, 0);
    const { owners } = (await nodes.cluster("a")).collections.find(({ collection }) => collection === "docs") as Place;
    const other = NAMES.find((name) => !owners.includes(name)) as string;
    for (let at = 0; at < 10; at++) await nodes.call(other, "POST", "/v1/collections/docs/search", { query: `dogs ${at}` });
    assert.ok((await counts()).forwarded - after.forwarded >= 10);
  } finally {
    await nats.close();
  }
});

test("A client that follows heartbeats asks another node where the one that it knows is gone", async () => {
  const nats = await connect({ servers: sharedNats().map(({ url }) => url) });
  try {
    const client = new ClusterClient(nats);
    const made = { node: "nobody", draining: false, leaving: false, answers_clients: true, in_flight: 0, queue: 0, capacity: 64 };
    const beat = JSON.stringify({ ...made, ready: { version: 1, names: ["docs-alias", "docs"] }, v: 1 });
    await until("it takes nobody for a node that holds it", () => {
      nats.publish("kennel.v1.cluster.heartbeat", beat);
      return client.nodeOf("docs-alias") === "nobody";
    });
    for (let at = 0; at < 20; at++) assert.is((await client.search("docs", { query: `birds ${at}`, top_k: 3 }, 30_000)).data.length, 3);
  } finally {
    await nats.close();
  }
});

test("What one node has written the others show", async () => {
  await ingest("b", [{ id: "new", text: "An aardvark was seen" }]);
  for (const name of NAMES) {
    await until(`node ${name} shows it`, async () => {
      const { body } = await nodes.call<{ readonly data: readonly { readonly document_id: string }[] }>(
        name,
        "POST",
        "/v1/collections/docs/search",
        { query: "aardvark", top_k: 3 },
      );
      return body.data?.[0]?.document_id === "new";
    });
  }
});

test("A collection that nobody has is not found, whoever is asked", async () => {
  assert.is((await nodes.call("c", "POST", "/v1/collections/nothing/search", { query: "x" })).status, 404);
});

test("kill -9 of a node that holds the collection fails no query at a deadline of 2 s", async () => {
  const owner = await ownerOfDocs();
  await underLoad(async () => {
    await nodes.kill(owner);
    const other = nodes.names[0] as string;
    await until("it is dead to the others", async () => statesOf(await nodes.cluster(other))[owner] === "dead");
  });
  await nodes.start(owner);
  await until("it is back", allAlive);
});

test("A node that is stopped (SIGSTOP) fails no query, and is taken back when it goes on", async () => {
  const owner = await ownerOfDocs();
  const other = NAMES.find((name) => name !== owner) as string;
  await underLoad(async () => {
    nodes.of(owner).signal("SIGSTOP");
    await until("it is suspected", async () => statesOf(await nodes.cluster(other))[owner] !== "alive");
    await until("it is dead", async () => statesOf(await nodes.cluster(other))[owner] === "dead");
    nodes.of(owner).signal("SIGCONT");
    await until("it is back", async () => statesOf(await nodes.cluster(other))[owner] === "alive");
  });
});

test("A rolling restart of all nodes fails no query", async () => {
  await underLoad(async () => {
    for (const name of NAMES) {
      await nodes.drain(name);
      await nodes.start(name);
      await until(`${name} is back`, allAlive);
    }
  });
});

test("Loss of the NATS server that a node is connected to fails no query", async () => {
  const [lost] = sharedNats();
  await underLoad(async () => {
    lost?.kill("SIGKILL");
    await until("all are connected again and see all", allAlive);
  });
  await lost?.restart();
});

test("While all NATS servers are gone nodes answer from what they can open; when they are back there is one cluster again", async () => {
  await underLoad(async () => {
    for (const server of sharedNats()) server.kill("SIGKILL");
    await until("all know that they are cut off", async () => {
      const states = await Promise.all(NAMES.map(async (name) => (await nodes.cluster(name)).connection));
      return states.every((state) => state === "isolated");
    });
    await Promise.all(sharedNats().map((server) => server.restart()));
    await until("all see all", allAlive);
    await until("one leads", async () => (await nodes.cluster("a")).leader !== null);
  });
});

test("A node that keeps its data in its own folder is left alone, and says why", async () => {
  await nodes.start("stranger", { KENNEL_MILVUS_URL: "", KENNEL_MONGODB_URL: "" });
  const stranger = nodes.of("stranger");
  await until("it says so", () => stranger.output().includes("a cluster shares its stores"));
  assert.equal(Object.keys(statesOf(await nodes.cluster("stranger"))), ["stranger"]);
  assert.not("stranger" in statesOf(await nodes.cluster("a")));
  await nodes.drain("stranger");
});

test.run();
