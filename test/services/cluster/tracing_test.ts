/** One query across two nodes over a real NATS, traced. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drawTrace, type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "../../support/otlp_receiver.ts";
import { until } from "../nats/nats_rig.ts";
import { Nodes, type SharedServers, startSharedServers } from "./cluster_rig.ts";

const test = suite("traces across nodes");
const CANARY = "canary-7f3a91-do-not-print";
const NAMES = ["a", "b"];
const MAX_QUERIES = 50;

let servers: SharedServers | undefined;
let receiver: OtlpReceiver;
let nodes: Nodes;

test.before(async () => {
  receiver = await startOtlpReceiver();
  servers = await startSharedServers();
  nodes = new Nodes({
    ...servers.env,
    KENNEL_TRACING: "true",
    KENNEL_TRACES_RATIO: "0",
    KENNEL_TRACES_INTERVAL_MS: "50",
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: `x-key=${CANARY}`,
  });
  await nodes.start("a");
  assert.is((await nodes.call("a", "PUT", "/v1/collections/docs", { replicas: 1 })).status, 201);
  const { body } = await nodes.call<{ readonly id: string }>("a", "POST", "/v1/collections/docs/documents", {
    documents: [{ id: "d", text: "A document about birds" }],
  });
  await until("the job is completed", async () => {
    return (await nodes.call<{ readonly status: string }>("a", "GET", `/v1/jobs/${body.id}`)).body.status === "completed";
  });
  await nodes.start("b");
});
test.after(async () => {
  await nodes?.stopAll();
  await servers?.stop();
  await receiver?.close();
});

test("A query that another node answers is one trace, a tree of both nodes' spans, without a secret", async () => {
  await until("both see both", async () => {
    const seen = await Promise.all(NAMES.map((name) => nodes.cluster(name)));
    return seen.every(({ nodes: members }) => members.filter(({ state }) => state === "alive").length === NAMES.length);
  });
  const { asked, owner, spans } = await traceAcross();

  const known = new Map(spans.map((span) => [span.spanId, span]));
  const roots = spans.filter(({ parentSpanId }) => !known.has(parentSpanId));
  assert.equal(
    roots.map(({ name, node }) => `${node} ${name}`),
    [`${asked} POST /v1/collections/{collection}/search`],
  );
  const answer = spans.find(({ name }) => name === "answer routed_search") as ReceivedSpan;
  const hop = known.get(answer.parentSpanId);
  assert.is(answer.node, owner);
  assert.is(hop?.node, asked);
  assert.is(hop?.name, "request routed_search");
  for (const name of ["handle retriever", "search embed", "search fuse"]) assert.is(spans.find((span) => span.name === name)?.node, owner);
  assert.not.match(receiver.bodies.join(), CANARY);
  console.log(drawTrace(spans));
});

test("A job that another node takes goes on with the trace of the request that has asked for it", async () => {
  for (let at = 0; at < MAX_QUERIES; at++) {
    const traceId = (0x2000 + at).toString(16).padStart(32, "b");
    const taken = await fetch(`${nodes.of("b").url}/v1/collections/docs/documents`, {
      method: "POST",
      headers: { "content-type": "application/json", traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify({ documents: [{ id: `job-${at}`, text: `Document ${at} about fish ${CANARY}` }] }),
    });
    assert.is(taken.status, 202);
    const { id } = (await taken.json()) as { readonly id: string };
    const isWhole = (spans: readonly ReceivedSpan[]) =>
      spans.some(({ name }) => name === "finish_job mongodb") && spans.some(({ name }) => name.startsWith("POST "));
    const spans = await receiver.trace(isWhole, traceId);
    const rounds = spans.filter(({ name }) => name === "ingest round");
    if (rounds[0]?.node !== "a") continue;
    const request = spans.find(({ name }) => name === "POST /v1/collections/{collection}/documents");
    assert.is(request?.node, "b");
    for (const round of rounds) assert.equal([round.parentSpanId, round.attributes["kennel.job.id"]], [request?.spanId, id]);
    assert.is(spans.find(({ name }) => name === "replace_documents milvus")?.node, "a");
    assert.not.match(receiver.bodies.join(), CANARY);
    return console.log(drawTrace(spans));
  }
  throw new Error(`None of ${MAX_QUERIES} jobs was taken by the other node`);
});

/** Asks one node and the other in turns until one has sent the query on: who is to hold the collection is theirs to know. */
async function traceAcross(): Promise<{ readonly asked: string; readonly owner: string; readonly spans: readonly ReceivedSpan[] }> {
  for (let at = 0; at < MAX_QUERIES; at++) {
    const [asked, owner] = (at % 2 === 0 ? NAMES : [...NAMES].reverse()) as [string, string];
    const traceId = (0x1000 + at).toString(16).padStart(32, "a");
    const answer = await fetch(`${nodes.of(asked).url}/v1/collections/docs/search`, {
      method: "POST",
      headers: { "content-type": "application/json", "cache-control": "no-cache", traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify({ query: `birds ${at} ${CANARY}` }),
    });
    assert.is(answer.status, 200, await answer.text());
    const isAnswer = ({ name, node }: ReceivedSpan) => node === owner && name === "answer routed_search";
    // The asked node's own spans, the hop among them, are sent once its root has ended.
    const isWhole = (spans: readonly ReceivedSpan[]) =>
      spans.some(({ name, node }) => node === asked && name.startsWith("POST ")) &&
      (spans.some(isAnswer) || !spans.some(({ name }) => name === "request routed_search"));
    const spans = await receiver.trace(isWhole, traceId);
    if (spans.some(isAnswer)) return { asked, owner, spans };
  }
  throw new Error(`No query of ${MAX_QUERIES} was sent on to the other node`);
}

test.run();
