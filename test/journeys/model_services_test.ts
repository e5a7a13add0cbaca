import { test } from "uvu";
import * as assert from "uvu/assert";
import { answerStatus, type Behaviour, hang, startOpenAiServer } from "../support/openai_server.ts";
import { startRerankServer } from "../support/rerank_server.ts";
import { until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const PETS = [{ id: "manx", text: "A cat without a tail." }];
const QUICK = { BACKOFF_MS: "20", MAX_BACKOFF_MS: "50", PROBE_INTERVAL_MS: "20", MAX_FAILED_PROBES: "1" };

const limits = (kind: string) =>
  Object.fromEntries(Object.entries(QUICK).map(([name, value]) => [`KENNEL_SUPERVISION_${kind}_${name}`, value]));

const answering =
  (usage: object | null): Behaviour =>
  (_request, response) => {
    const event = (fields: object) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", ...fields })}\n\n`;
    const choice = (fields: object) => event({ choices: [{ index: 0, ...fields }] });
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(choice({ delta: { content: "yes" } }) + choice({ delta: {}, finish_reason: "stop" }));
    response.end(`${usage === null ? "" : event({ choices: [], usage })}data: [DONE]\n\n`);
  };
const chats = answering(null);
const counts = answering({ prompt_tokens: 3, completion_tokens: 2 });

interface Status {
  readonly mode: string;
  readonly children: readonly {
    readonly path: string;
    readonly kind: string;
    readonly state: string;
    readonly breaker: string;
    readonly details?: object;
  }[];
}

test("A language model and a reranker that leave and come back are seen in the tree and in the mode, and never cost an answer", async () => {
  const [chat, rerank] = await Promise.all([startOpenAiServer({ dimensions: 4 }), startRerankServer()]);
  chat.behave(chats);
  const settings = {
    KENNEL_CHAT: "openai:test-chat",
    OPENAI_BASE_URL: chat.url,
    KENNEL_OPENAI_MAX_RETRIES: "0",
    KENNEL_RERANK_URL: rerank.url,
    KENNEL_COORDINATOR_INTERVAL_MS: "10",
    KENNEL_COORDINATOR_RECOVER_AFTER_MS: "50",
    ...limits("LANGUAGE_MODEL"),
    ...limits("RERANKER"),
  };
  try {
    await onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets");
      await caller.addDocuments("pets", PETS);
      const mode = async () => {
        const answer = await caller.search("pets", { query: `cat tail ${Math.random()}` });
        assert.is(answer.data.length, 1);
        assert.equal(answer.degradations, [], "a plain search wants neither");
        return answer.mode;
      };
      const becomes = (wanted: string) => until(`the mode is ${wanted}`, async () => (await mode()) === wanted);
      await becomes("full");
      const status = await caller.must<Status>("GET", "/v1/status");
      const child = (name: string) => status.children.find(({ path }) => path.endsWith(`/${name}`));
      assert.equal(child("language_model")?.details, { model: "openai:test-chat", deployments: { total: 1, healthy: 1 } });
      assert.equal(child("reranker")?.details, { model: "rerank-v3.5" });
      const asked = () => rerank.requests.findLast(({ documents }) => documents[0] !== "probe")?.documents;
      const question = { query: "tail cat", rerank: true };
      const reranked = await caller.search("pets", { ...question, allow_degraded: false });
      assert.equal(
        reranked.data.map(({ document_id, score, score_type, ranks }) => [document_id, score, score_type, ranks?.rerank]),
        [["manx", 1, "rerank", 1]],
      );
      assert.equal(asked(), ["A cat without a tail."]);
      const texts = ["a dog", "a tail of a cat"];
      await caller.must("POST", "/v2/rerank", { model: "rerank-v3.5", query: "tail cat", documents: texts });
      assert.equal(asked(), texts, "the route asks the same service");
      await caller.refused("invalid_request", "POST", "/v1/collections/pets/search", {
        vector: [1, ...new Array(255).fill(0)],
        rerank: true,
      });
      chat.behave(answerStatus(503));
      await becomes("no_rewrite");
      rerank.behave(answerStatus(503));
      await becomes("no_rerank");
      assert.is((await caller.must<Status>("GET", "/v1/status")).mode, "no_rerank");
      const first = await caller.search("pets", { ...question, query: "cat" });
      assert.equal(
        [first.data.length, first.data[0]?.score_type, first.degradations.map(({ stage, service }) => [stage, service])],
        [1, "weighted", [["rerank", "reranker"]]],
      );
      await caller.refused("degraded", "POST", "/v1/collections/pets/search", { ...question, query: "cats", allow_degraded: false });
      chat.behave(chats);
      rerank.behave(null);
      await becomes("full");
    });
  } finally {
    await Promise.all([chat.stop(), rerank.stop()]);
  }
});

test("A language model whose first answer does not come counts as away before its start has failed", async () => {
  const chat = await startOpenAiServer({ dimensions: 4 });
  chat.behave(hang);
  const settings = {
    KENNEL_CHAT: "openai:test-chat",
    OPENAI_BASE_URL: chat.url,
    KENNEL_COORDINATOR_INTERVAL_MS: "10",
    KENNEL_COORDINATOR_RECOVER_AFTER_MS: "50",
    KENNEL_SUPERVISION_LANGUAGE_MODEL_SLOW_CALL_MS: "100",
    KENNEL_SUPERVISION_LANGUAGE_MODEL_START_TIMEOUT_MS: "60000",
    KENNEL_OPENAI_ATTEMPT_TIMEOUT_MS: "1500",
    KENNEL_CHAT_CALLS_DOLLARS_PER_MILLION_PROMPT_TOKENS: "2",
    KENNEL_CHAT_CALLS_DOLLARS_PER_MILLION_ANSWER_TOKENS: "8",
  };
  try {
    await onNode(settings, async ({ caller }) => {
      const status = () => caller.must<Status>("GET", "/v1/status");
      const model = async () => (await status()).children.find(({ path }) => path.endsWith("/language_model"));
      await until("the mode is what is left", async () => (await status()).mode === "no_rewrite");
      const { state, breaker } = (await model()) ?? {};
      assert.equal([state, breaker], ["starting", "half_open"]);
      chat.behave(counts);
      await until("the mode is full", async () => (await status()).mode === "full");
      assert.is((await model())?.breaker, "closed");
      const metrics = await (await fetch(`${caller.url}/metrics`)).text();
      const counted = (name: string) => Number(new RegExp(`${name}\\{model="openai:test-chat"\\} (\\S+)\\n`).exec(metrics)?.[1]);
      const tokens = counted("kennel_model_tokens_total");
      assert.ok(tokens >= 5 && tokens % 5 === 0, `${tokens} tokens`);
      // Of five, three are read and two are written.
      assert.ok(Math.abs(counted("kennel_model_cost_dollars_total") / tokens - (3 * 2 + 2 * 8) / 5e6) < 1e-12);
    });
  } finally {
    await chat.stop();
  }
});

test.run();
