/** Two real processes that share Milvus and MongoDB's protocol: whoever answers, for whom it is asked goes along. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { until } from "../nats/nats_rig.ts";
import { type ClusterStatus, Nodes, type SharedServers, startSharedServers } from "./cluster_rig.ts";

const DOCUMENTS = [
  { id: "open", principals: [] },
  { id: "ann", principals: ["user:ann"] },
  { id: "staff", principals: ["group:staff", 'user:"o\'neill"'] },
].map((document) => ({ ...document, text: `A heron of ${document.id} by the water.`, attributes: { year: 2_000 } }));
const ASKED: readonly (readonly [string | null, readonly string[]])[] = [
  [null, ["ann", "open", "staff"]],
  ["", ["open"]],
  ["user:ann", ["ann", "open"]],
  ["group:staff", ["open", "staff"]],
  [encodeURIComponent('user:"o\'neill"'), ["open", "staff"]],
  ["user:an,staff", ["open"]],
];
const STRATEGIES = ["vector", "bm25", "hybrid", "parent_document"];

let servers: SharedServers | undefined;
let nodes: Nodes;
const test = suite("access in a cluster");

test.before(async () => {
  servers = await startSharedServers();
  nodes = new Nodes({ ...servers.env, KENNEL_NODE_NAME: "" });
  for (const name of ["a", "b"]) await nodes.start(name);
  await until("both nodes are one cluster", async () => {
    const seen = await Promise.all(["a", "b"].map((name) => nodes.cluster(name)));
    return seen.every(({ nodes: members }: ClusterStatus) => members.filter(({ state }) => state === "alive").length === 2);
  });
});

test.after(async () => {
  await nodes?.stopAll();
  await servers?.stop();
});

async function ask(node: string, method: string, path: string, principals: string | null, body?: unknown) {
  const answer = await fetch(`${nodes.of(node).url}${path}`, {
    method,
    headers: { "content-type": "application/json", ...(principals === null ? {} : { "x-kennel-principals": principals }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  });
  return {
    status: answer.status,
    body: (await answer.json()) as { readonly data: readonly { readonly document_id: string; id: string }[] },
  };
}

async function make(collection: string, settings: object): Promise<void> {
  assert.is((await nodes.call("a", "PUT", `/v1/collections/${collection}`, settings)).status, 201);
  const { body } = await nodes.call<{ id: string }>("a", "POST", `/v1/collections/${collection}/documents`, { documents: DOCUMENTS });
  await until("the documents are indexed", async () => {
    return (await nodes.call<{ status: string }>("a", "GET", `/v1/jobs/${body.id}`)).body.status === "completed";
  });
  await until("both nodes know the collection with its documents", async () => {
    const seen = await Promise.all(
      ["a", "b"].map((name) => nodes.call<{ documents?: number }>(name, "GET", `/v1/collections/${collection}`)),
    );
    return seen.every(({ body: { documents } }) => documents === DOCUMENTS.length);
  });
}

for (const resident of ["never", "always"] as const) {
  test(`Either node finds, lists and reads for each what is theirs: resident ${resident}`, async () => {
    const name = `herons-${resident}`;
    await make(name, { resident, replicas: 1 });
    for (const strategy of STRATEGIES) {
      for (const round of ["first", "kept"]) {
        for (const [principals, expected] of ASKED) {
          for (const node of ["a", "b"]) {
            const { status, body } = await ask(node, "POST", `/v1/collections/${name}/search`, principals, { query: "a heron", strategy });
            assert.is(status, 200, JSON.stringify(body));
            const found = [...new Set(body.data.map((hit) => hit.document_id))].sort();
            assert.equal(found, expected, `${strategy} for ${principals} by ${node}, ${round}`);
          }
        }
      }
    }
    for (const [principals, expected] of ASKED) {
      const { body } = await ask("b", "GET", `/v1/collections/${name}/documents`, principals);
      assert.equal(body.data.map(({ id }) => id), expected); // biome-ignore format: one claim
      for (const { id } of DOCUMENTS) {
        const { status } = await ask("a", "GET", `/v1/collections/${name}/documents/${id}`, principals);
        assert.is(status, expected.includes(id) ? 200 : 404);
      }
    }
    const filters = { type: "gte", key: "year", value: 0 };
    assert.is((await ask("b", "DELETE", `/v1/collections/${name}/documents`, "user:ann", { filters })).status, 200);
    const { body } = await ask("b", "GET", `/v1/collections/${name}/documents`, null);
    assert.equal(body.data.map(({ id }) => id), ["staff"], "what is not theirs is not theirs to delete"); // biome-ignore format: one claim
  });
}

test("A node that does not hold a collection has sent its questions on", async () => {
  const statuses = await Promise.all(["a", "b"].map((name) => nodes.cluster(name)));
  const sends = statuses.map(({ queries }) => Object.values(queries.sends).reduce((sum, count) => sum + count, 0));
  assert.ok(
    sends.some((count) => count > 0),
    JSON.stringify(statuses.map(({ queries }) => queries)),
  );
});

test.run();
