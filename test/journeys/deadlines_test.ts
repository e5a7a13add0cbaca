import { test } from "uvu";
import * as assert from "uvu/assert";
import { chatWithin, type DeadlineSample, searchWithin } from "../../bench/harness/deadline_run.ts";
import { startChatService, startEmbeddingService, startRerankService } from "../../bench/harness/model_services.ts";
import { onNode } from "./node_rig.ts";

/** As in bench/deadlines.ts, with times that a busy machine has room for. */
const DEADLINE_MS = 1_500;
const SLOW = { p50Ms: 150, hungShare: 0.05 };
const PETS = ["cat", "dog", "bird", "fish", "horse", "goat"].map((name) => ({
  id: name,
  text: `A ${name} without a tail, and what it eats.`,
}));
const QUERIES = PETS.map(({ id }) => ({ id, text: `What does a ${id} eat?`, judgements: new Map([[id, 1]]) }));

test("With every model slow at random and some calls hung, each query is answered with hits in time, in mode full", async () => {
  const [embedding, reranker, chat] = await Promise.all([startEmbeddingService(11), startRerankService(12), startChatService(13)]);
  const settings = {
    KENNEL_EMBEDDING: "azure:embedding",
    KENNEL_CHAT: "openai:chat",
    AZURE_OPENAI_ENDPOINT: embedding.origin,
    AZURE_OPENAI_API_KEY: "test",
    OPENAI_BASE_URL: `${chat.origin}/v1`,
    OPENAI_API_KEY: "test",
    KENNEL_OPENAI_DIMENSIONS: "256",
    KENNEL_RERANK_URL: `${reranker.origin}/v2/rerank`,
    KENNEL_CACHE_QUERY_EMBEDDING_BYTES: "0",
  };
  try {
    await onNode(settings, async ({ node, caller }) => {
      await caller.makeCollection("pets");
      await caller.addDocuments("pets", PETS);
      for (const service of [embedding, reranker, chat]) service.slow(SLOW);
      const load = { url: node.url, collection: "pets", queries: QUERIES, count: 60, perSecond: 30, deadlineMs: DEADLINE_MS };
      const [searches, chats] = [await searchWithin(load, { rerank: true }), await chatWithin({ ...load, count: 20 })];
      const others = (samples: readonly DeadlineSample[]) => samples.filter(({ isAnswered }) => !isAnswered).map(({ kind }) => kind);
      assert.equal(others(searches), []);
      assert.equal(others(chats), []);
      for (const { kind } of [...searches, ...chats]) assert.match(kind, /^full( without |$)/, "what is dropped for time is no other mode");
      assert.ok(
        searches.some(({ kind }) => kind === "full"),
        "what there is time for is done",
      );
      assert.ok(
        searches.some(({ kind }) => kind !== "full"),
        "a call that hangs is given up",
      );
    });
  } finally {
    await Promise.all([embedding, reranker, chat].map((service) => service.stop()));
  }
});

test.run();
