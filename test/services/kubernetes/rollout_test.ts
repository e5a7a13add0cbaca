/**
 * Real controllers replace real nodes while clients ask: the shorter half of `npm run rollout`, whose longer half (drained and lost machines, the
 * autoscaler, an upgrade, a broken release) takes ten minutes.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EmbeddedNode } from "./embedded_node.ts";
import { KennelDeployment, until } from "./kennel_deployment.ts";
import { drainMachine, killProcess, PODS, release, rollingUpdate } from "./scenarios.ts";
import { ServiceLoad } from "./service_load.ts";
import { Timeline, type Totals } from "./timeline.ts";

const CLIENTS = 6;
const PAUSE_MS = 100;

let cluster: KennelDeployment;
let load: ServiceLoad | undefined;
const timeline = new Timeline();
const test = suite("rollout");

/** What clients saw from `before` on. */
function since(before: Totals): Totals {
  const now = timeline.totals;
  return {
    queries: now.queries - before.queries,
    failures: now.failures.slice(before.failures.length),
    refused: now.refused - before.refused,
    broken: now.broken - before.broken,
  };
}

test("The chart's pods start, are ready, and answer through their Service", async () => {
  cluster = await KennelDeployment.start();
  await release(cluster, {}, "");
  await cluster.untilSettled(PODS);
  const machines = new Set((await cluster.readyPods()).map(({ spec }) => spec.nodeName));
  assert.is(machines.size, PODS, "each on a machine of its own");
  load = new ServiceLoad({
    endpoints: cluster.endpoints,
    key: cluster.key,
    clients: CLIENTS,
    pauseMs: PAUSE_MS,
    isReranked: false,
    onQuery: (query) => timeline.ended(query),
  });
});

test("A rolling update fails no query and breaks no connection", async () => {
  const before = timeline.totals;
  await rollingUpdate(
    cluster,
    () => release(cluster, { logLevel: "warn" }, ""),
    () => undefined,
  );
  const seen = since(before);
  assert.ok(seen.queries > 0);
  assert.equal([seen.failures, seen.broken], [[], 0]);
});

test("A pod that is evicted fails no query, and no second one goes before it has a successor", async () => {
  const before = timeline.totals;
  assert.is(await drainMachine(cluster, () => undefined), 429);
  const seen = since(before);
  assert.ok(seen.queries > 0);
  assert.equal([seen.failures, seen.broken], [[], 0]);
});

test("A pod whose process is killed fails no query of a client that tries once more", async () => {
  const before = timeline.totals;
  await killProcess(cluster, () => undefined);
  const seen = since(before);
  assert.ok(seen.queries > 0);
  assert.equal(seen.failures, []);
});

test("A StatefulSet's node comes back on its volume with what it held, and with its keys", async () => {
  const node = await EmbeddedNode.start(cluster);
  const first = await node.untilReady(null);
  await node.must("PUT", "/v1/collections/pets", {});
  const job = await node.must<{ readonly id: string }>("POST", "/v1/collections/pets/documents", {
    documents: [{ id: "rex", text: "Rex is a dog" }],
  });
  const isDone = async () => (await node.must<{ readonly status: string }>("GET", `/v1/jobs/${job.id}`)).status === "completed";
  await until("the document is ingested", isDone);
  await node.deletePod();
  await node.untilReady(first);
  const { data } = await node.must<{ readonly data: readonly { readonly document_id: string }[] }>("POST", "/v1/collections/pets/search", {
    query: "dog",
  });
  assert.equal(
    data.map((hit) => hit.document_id),
    ["rex"],
  );
});

test.after(async () => {
  await load?.end();
  await cluster?.stop();
});

test.run();
