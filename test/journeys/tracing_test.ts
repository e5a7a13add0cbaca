import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { type Behaviour, startOpenAiServer } from "../support/openai_server.ts";
import { drawTrace, type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "../support/otlp_receiver.ts";
import { startRerankServer } from "../support/rerank_server.ts";
import { until } from "./caller.ts";
import { type NodeRig, onNode } from "./node_rig.ts";

const test = suite("Traces of a node");
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SAMPLED = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
const LEFT_OUT = { traceparent: `00-${TRACE}-b7ad6b7169203331-00` };
const CANARY = "canary-7f3a91-do-not-print";
const PETS = [{ id: "manx", text: "The Manx is a cat without a tail." }];
const SEARCH = "/v1/collections/pets/search";
const DOCUMENTS_SPAN = "POST /v1/collections/{collection}/documents";
const SEARCH_SPAN = "POST /v1/collections/{collection}/search";

const ended = (name: string) => (spans: readonly ReceivedSpan[]) => spans.some((span) => span.name === name);

test("A search is one tree from the request to the stores, below its caller's span, and says what came of it", () =>
  onTraced({}, async ({ caller }, receiver) => {
    await caller.must("POST", SEARCH, { query: `tail ${CANARY}` }, SAMPLED);
    const spans = await receiver.trace(ended(SEARCH_SPAN), TRACE);
    const drawn = drawTrace(spans).replaceAll(/^journey +/gm, "");
    for (const name of ["ask retriever", "handle retriever", "search embed", "search fuse", "ask embedding", "handle embedding"])
      assert.match(drawn, new RegExp(`^${name}$`, "m"));
    const root = spans.find(({ name }) => name === SEARCH_SPAN);
    assert.is(root?.parentSpanId, "b7ad6b7169203331");
    assert.is(root?.kind, 2);
    assert.is(root?.attributes["kennel.collection"], "pets");
    assert.is(root?.attributes["kennel.search.cache"], "miss");
    assert.is(root?.attributes["http.response.status_code"], 200);
    const known = new Set(spans.map(({ spanId }) => spanId));
    assert.equal(
      spans.filter(({ parentSpanId }) => !known.has(parentSpanId)).map(({ name }) => name),
      [SEARCH_SPAN],
    );
    assert.not.match(receiver.bodies.join(), CANARY);
  }));

test("What the caller has left out of its traces is in none, nor is what the share leaves out", () =>
  onTraced({ KENNEL_TRACES_RATIO: "0" }, async ({ caller, node }, receiver) => {
    await caller.must("POST", SEARCH, { query: "tail" }, LEFT_OUT);
    await caller.must("POST", SEARCH, { query: "tail" });
    await caller.must("POST", SEARCH, { query: "cat" }, SAMPLED);
    await node.stop("to send what waits");
    assert.equal([...new Set(receiver.spans.map(({ traceId }) => traceId))], [TRACE]);
    assert.is(receiver.spans.filter(({ name }) => name === SEARCH_SPAN).length, 1);
  }));

test("Documents are followed from their request through their job: read, embedded, stored, indexed, without their text", () =>
  onTraced({ KENNEL_TRACES_RATIO: "0" }, async ({ caller }, receiver) => {
    const documents = [{ id: "rex", text: `Rex is a dog, ${CANARY}` }];
    const job = await caller.must<WireJob>(
      "POST",
      "/v1/collections/pets/documents",
      { documents },
      { ...SAMPLED, "x-request-id": "req-7" },
    );
    await caller.jobEnded(job);
    const isWhole = (spans: readonly ReceivedSpan[]) => ended(DOCUMENTS_SPAN)(spans) && ended("finish_job sqlite")(spans);
    const spans = await receiver.trace(isWhole, TRACE);
    const known = new Map(spans.map((span) => [span.spanId, span]));
    const above = ({ parentSpanId }: ReceivedSpan) => known.get(parentSpanId);
    const pathOf = (span: ReceivedSpan): string[] => [span.name, ...(above(span) === undefined ? [] : pathOf(above(span) as ReceivedSpan))];
    const [round] = spans.filter(({ name }) => name === "ingest round");
    assert.is(above(round as ReceivedSpan)?.name, DOCUMENTS_SPAN);
    assert.equal(
      [round?.attributes["kennel.job.id"], round?.attributes["kennel.collection"], round?.attributes["kennel.ingest.round"]],
      [job.id, "pets", 1],
    );
    for (const [name, under] of [
      ["accept_documents sqlite", "handle ingest"],
      ["pending_documents sqlite", "ingest round"],
      ["put_chunks sqlite", "ingest store"],
      ["replace_documents lancedb", "ingest index"],
      ["mark_indexed sqlite", "ingest store"],
      ["ingest prepare", "ingest round"],
    ] as const) {
      const found = spans.find((span) => span.name === name);
      assert.ok(found !== undefined && pathOf(found).includes(under), `${name} is below ${under}`);
    }
    assert.not.match(receiver.bodies.join(), CANARY);
  }));

test("A job whose request is in no trace is in none either", () =>
  onTraced({ KENNEL_TRACES_RATIO: "0" }, async ({ caller, node }, receiver) => {
    const documents = [{ id: "rex", text: "Rex is a dog" }];
    await caller.jobEnded(await caller.must("POST", "/v1/collections/pets/documents", { documents }, LEFT_OUT));
    await caller.addDocuments("pets", documents);
    await node.stop("to send what waits");
    assert.equal(receiver.spans, []);
  }));

for (const content of ["false", "true"]) {
  test(`A reranker's call says how many texts it was given, and what was asked with content "${content}"`, async () => {
    const rerank = await startRerankServer();
    try {
      await onTraced({ KENNEL_RERANK_URL: rerank.url, KENNEL_TRACES_CONTENT: content }, async ({ caller }, receiver) => {
        await caller.must("POST", SEARCH, { query: `tail ${CANARY}`, rerank: true, allow_degraded: false }, SAMPLED);
        const call = (await receiver.trace(ended(SEARCH_SPAN), TRACE)).find(({ name }) => name === "rerank rerank-v3.5");
        assert.is(call?.kind, 3);
        assert.equal(
          ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "kennel.rerank.texts"].map((key) =>
            String(call?.attributes[key]),
          ),
          ["rerank", "cohere", "rerank-v3.5", "1"],
        );
        assert.is(receiver.bodies.join().includes(CANARY), content === "true");
      });
    } finally {
      await rerank.stop();
    }
  });
}

test("A latency's bucket names the trace of its last observation, for who reads OpenMetrics", () =>
  onTraced({}, async ({ caller, node }) => {
    await caller.must("POST", SEARCH, { query: "tail" }, SAMPLED);
    const open = await fetch(`${node.url}/metrics`, { headers: { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" } });
    assert.match(open.headers.get("content-type") ?? "", "application/openmetrics-text");
    const text = await open.text();
    assert.match(
      text,
      new RegExp(
        `kennel_http_request_duration_seconds_bucket\\{le="[^"]+",route="/v1/collections/{collection}/search"\\} 1 # \\{trace_id="${TRACE}"\\} [0-9.]+ [0-9.]+\n`,
      ),
    );
    assert.match(text, "# TYPE kennel_http_requests counter\n");
    assert.match(text, /\n# EOF\n$/);
    const plain = await metricsOf(node.url);
    assert.match(plain, "# TYPE kennel_http_requests_total counter\n");
    assert.not.match(plain, TRACE);
  }));

test("A failed search is an error with its code, one that the caller got wrong is none", () =>
  onTraced({}, async ({ caller }, receiver) => {
    await caller.refused("not_found", "POST", "/v1/collections/none/search", { query: "x" });
    const [missing] = (await receiver.trace(ended(SEARCH_SPAN))).filter(({ name }) => name === SEARCH_SPAN);
    assert.is(missing?.attributes["error.type"], "not_found");
    assert.is(missing?.status, 0);
  }));

test("A collector that is away costs no request anything, and the metrics say so", () =>
  onTraced({}, async ({ caller, node }, receiver) => {
    receiver.status = 400;
    for (let at = 0; at < 5; at++) await caller.must("POST", SEARCH, { query: `tail ${at}` });
    await until("lost spans are counted", async () => /kennel_trace_spans_total\{outcome="failed"\} [1-9]/.test(await metricsOf(node.url)));
  }));

for (const content of ["false", "true"]) {
  test(`A conversation names model and tokens as the conventions do, with content "${content}"`, () =>
    onTraced({ KENNEL_TRACES_CONTENT: content, KENNEL_CHAT: "openai:test-chat" }, async ({ caller }, receiver) => {
      const question = { model: "pets", messages: [{ role: "user", content: `Which cat has no tail? ${CANARY}` }] };
      await caller.must("POST", "/v1/chat/completions", question, SAMPLED);
      const response = await fetch(`${caller.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", ...SAMPLED },
        body: JSON.stringify({ ...question, stream: true }),
      });
      await response.text();
      const both = (spans: readonly ReceivedSpan[]) => spans.filter(({ name }) => name === "POST /v1/chat/completions").length === 2;
      const chats = (await receiver.trace(both, TRACE)).filter(({ name }) => name === "chat test-chat");
      assert.is(chats.length, 2);
      for (const { attributes, kind } of chats) {
        assert.is(kind, 3);
        assert.is(attributes["gen_ai.operation.name"], "chat");
        assert.is(attributes["gen_ai.provider.name"], "openai");
        assert.is(attributes["gen_ai.request.model"], "test-chat");
        assert.is(Number(attributes["gen_ai.usage.input_tokens"]), 30);
        assert.is(Number(attributes["gen_ai.usage.output_tokens"]), 5);
        assert.is(String(attributes["gen_ai.input.messages"] ?? "").includes(CANARY), content === "true");
        assert.is(String(attributes["gen_ai.output.messages"] ?? "").includes("A cat"), content === "true");
      }
      assert.is(receiver.bodies.join().includes(CANARY), content === "true");
    }));
}

const CHAT: Behaviour = (_request, response) => {
  const event = (fields: object) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...fields })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(event({ choices: [{ index: 0, delta: { content: "A cat." } }] }));
  response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
  response.write(event({ choices: [], usage: { prompt_tokens: 30, completion_tokens: 5 } }));
  response.end("data: [DONE]\n\n");
};

const metricsOf = async (url: string) => (await fetch(`${url}/metrics`)).text();

async function onTraced(settings: Readonly<Record<string, string>>, journey: (rig: NodeRig, receiver: OtlpReceiver) => Promise<void>) {
  const receiver = await startOtlpReceiver();
  const provider = await startOpenAiServer({ dimensions: 4 });
  provider.behave(CHAT);
  const tracing = {
    KENNEL_TRACING: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    KENNEL_TRACES_RATIO: "1",
    KENNEL_TRACES_INTERVAL_MS: "20",
    OPENAI_BASE_URL: provider.url,
    OPENAI_API_KEY: CANARY.toUpperCase(),
  };
  try {
    await onNode({ ...tracing, ...settings }, async (rig) => {
      await rig.caller.makeCollection("pets");
      await rig.caller.addDocuments("pets", PETS);
      await journey(rig, receiver);
      assert.not.match(receiver.bodies.join(), CANARY.toUpperCase());
    });
  } finally {
    await provider.stop();
    await receiver.close();
  }
}

test.run();
