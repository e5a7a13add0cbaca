/** Three real processes that share their stores and a queue of jobs: documents are stored once, whoever is killed meanwhile. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { until } from "../nats/nats_rig.ts";
import { Nodes, type SharedServers, startSharedServers } from "./cluster_rig.ts";
import { ingestShared, type SharedIngestPlan } from "./shared_ingest.ts";

const NAMES = ["a", "b", "c"];
const PLAN: SharedIngestPlan = {
  documents: 240,
  perJob: 20,
  collections: 2,
  clients: 2,
  killEveryMs: 5_000,
  isInTurn: false,
  maxKills: 1,
  limitMs: 120_000,
  tell: () => {},
};

let servers: SharedServers | undefined;
let nodes: Nodes;
const test = suite("ingest of several nodes");

test.before(async () => {
  servers = await startSharedServers();
  // A node that is gone is noticed sooner than by default.
  nodes = new Nodes({ ...servers.env, KENNEL_MONGODB_LEASE_MS: "4000" });
  for (const name of NAMES) await nodes.start(name);
});
test.after(async () => {
  await nodes.stopAll();
  await servers?.stop();
});

test("Of three nodes one is killed while documents come in: each document is stored exactly once in both stores, none is lost", async () => {
  const report = await ingestShared(nodes, servers?.env.KENNEL_MILVUS_URL as string, PLAN);
  console.log(JSON.stringify(report));
  assert.is(report.kills, 1);
  assert.equal(report.stored, { indexed: PLAN.documents });
  assert.equal([report.lost, report.surplus], [0, 0]);
  assert.is(report.ended.completed, report.jobs);
  assert.equal(report.rows, { all: PLAN.documents, documents: PLAN.documents });
});

test("A document that is replaced through several nodes at once ends as it was accepted last, in both stores", async () => {
  await nodes.call("a", "PUT", "/v1/collections/order", { resident: "never" });
  await until("all nodes know the collection", async () => {
    const known = await Promise.all(NAMES.map((name) => nodes.call(name, "GET", "/v1/collections/order")));
    return known.every(({ status }) => status === 200);
  });
  const jobs: string[] = [];
  for (let turn = 0; turn < 6; turn++) {
    const documents = ["one", "two"].map((id) => ({ id, text: `turn ${turn} of ${id}` }));
    const name = NAMES[turn % NAMES.length] as string;
    const { status, body } = await nodes.call<{ readonly id: string }>(name, "POST", "/v1/collections/order/documents", { documents });
    assert.is(status, 202);
    jobs.push(body.id);
  }
  await until("all jobs have ended, as every node sees it", async () => {
    const states = await Promise.all(
      jobs.flatMap((id) => NAMES.map((name) => nodes.call<{ readonly status: string }>(name, "GET", `/v1/jobs/${id}`))),
    );
    return states.every(({ body }) => body.status === "completed");
  });
  const found = await nodes.call<{ readonly data: readonly { readonly text: string }[] }>("b", "POST", "/v1/collections/order/search", {
    query: "turn",
    strategy: "bm25",
    top_k: 10,
    include: ["text"],
  });
  assert.equal(found.body.data.map(({ text }) => text).sort(), ["turn 5 of one", "turn 5 of two"]);
});

test.run();
