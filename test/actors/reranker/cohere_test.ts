import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CohereReranker, fromUnbounded } from "../../../actors/reranker/cohere.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { KennelError } from "../../../runtime/errors.ts";
import { openHttpPool } from "../../../runtime/http_pool.ts";
import { answerStatus, answerText, answerTruncated, hang, hangInBody } from "../../support/openai_server.ts";
import { type RerankServer, startRerankServer } from "../../support/rerank_server.ts";

const test = suite("Cohere's rerank");
const never = new AbortController().signal;

async function onReranker(work: (server: RerankServer, reranker: CohereReranker) => Promise<void>, apiKey = "key-123") {
  const server = await startRerankServer();
  const limits = { minConnections: 1, maxConnections: 2, growAfterMs: 5, maxWaiting: 10, idleMs: 10_000, connectTimeoutMs: 1_000 };
  const pool = await openHttpPool({ ...limits, clock: systemClock() });
  try {
    await work(server, new CohereReranker({ url: server.url, apiKey, model: "rerank-test", weight: 1, pool }));
    assert.is(pool.stats.inUse, 0);
  } finally {
    await pool.close();
    await server.stop();
  }
}

async function failure(work: Promise<unknown>): Promise<KennelError> {
  const outcome = await work.catch((error: KennelError) => error);
  if (!(outcome instanceof KennelError)) throw new Error("it should have failed");
  return outcome;
}

test("Scores come in the order of the texts, whatever the order of the answer", () =>
  onReranker(async (server, reranker) => {
    assert.equal(await reranker.rerank("cat tail", ["a dog", "a cat without a tail", "a cat"], never), [0, 1, 0.5]);
    assert.equal(server.requests, [
      { model: "rerank-test", query: "cat tail", documents: ["a dog", "a cat without a tail", "a cat"], top_n: 3 },
    ]);
    assert.equal(server.authorizations, ["Bearer key-123"]);
  }));

test("Without a key none is sent", () =>
  onReranker(async (server, reranker) => {
    await reranker.rerank("cat", ["a cat"], never);
    assert.equal(server.authorizations, [undefined]);
  }, ""));

test("What is not one score a text is an outage, not an answer", () =>
  onReranker(async (server, reranker) => {
    const results = (...entries: readonly unknown[]) => answerText(JSON.stringify({ results: entries }));
    const cases = [
      answerText("<html>"),
      answerText("null"),
      answerText("{}"),
      results({ index: 0, relevance_score: 0.5 }),
      results({ index: 0, relevance_score: 0.5 }, { index: 0, relevance_score: 0.4 }),
      results({ index: 0, relevance_score: 0.5 }, { index: 2, relevance_score: 0.4 }),
      results({ index: 0, relevance_score: 0.5 }, { index: -1, relevance_score: 0.4 }),
      results({ index: 0, relevance_score: 0.5 }, { index: 1, relevance_score: null }),
      results({ index: 0, relevance_score: 0.5 }, { index: 1, relevance_score: "NaN" }),
      answerText('{"results":[{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":1e999}]}'),
      results({ index: 0, relevance_score: 0.5 }, null),
      answerText(`{"results":[${" ".repeat(300_000)}]}`),
      answerTruncated,
    ];
    for (const [at, behaviour] of cases.entries()) {
      server.behave(behaviour);
      assert.is((await failure(reranker.rerank("cat", ["a cat", "a dog"], never))).code, "unavailable", `case ${at}`);
    }
  }));

test("Scores of another scale are mapped to 0 to 1 in their order, and from then on all are", () =>
  onReranker(async (server, reranker) => {
    const scored = (...scores: readonly number[]) =>
      server.behave(answerText(JSON.stringify({ results: scores.map((score, index) => ({ index, relevance_score: score })) })));
    scored(0.25, 1, 0);
    assert.equal(await reranker.rerank("cat", ["a", "b", "c"], never), [0.25, 1, 0], "nothing to map yet");
    scored(-3, 0, 1, 9);
    assert.equal(await reranker.rerank("cat", ["a", "b", "c", "d"], never), [0.125, 0.5, 0.75, 0.95]);
    scored(0.25, 1);
    assert.equal(await reranker.rerank("cat", ["a", "b"], never), [0.6, 0.75], "the scale is known by now");
  }));

test("The map to 0 to 1 keeps every order, also of large scores", () => {
  const scores = [-1e6, -100, -11.2, -1, -1e-6, 0, 1e-6, 0.5, 1, 11.2, 40, 99, 100, 1e6];
  const mapped = scores.map(fromUnbounded);
  for (const [at, value] of mapped.entries()) {
    assert.ok(value >= 0 && value <= 1);
    if (at > 0) assert.ok(value > (mapped[at - 1] ?? 1), `${scores[at - 1]} and ${scores[at]}`);
  }
});

test("A status says who is at fault, and its text is not passed on", () =>
  onReranker(async (server, reranker) => {
    const cases = [
      [400, "invalid_request"],
      [401, "unavailable"],
      [404, "unavailable"],
      [422, "invalid_request"],
      [429, "overloaded"],
      [500, "unavailable"],
    ] as const;
    for (const [status, code] of cases) {
      server.behave(answerStatus(status, { "retry-after": "7" }));
      const error = await failure(reranker.rerank("cat", ["a cat"], never));
      assert.is(error.code, code, `status ${status}`);
      assert.not.match(error.message, "sk-secret");
      if (code !== "invalid_request") assert.is(error.retryAfterMs, 7_000);
    }
  }));

test("Cancelling closes the connection, before the answer and within it", () =>
  onReranker(async (server, reranker) => {
    for (const behaviour of [hang, hangInBody]) {
      const caller = new AbortController();
      let brokenOff: Promise<boolean> | null = null;
      const arrived = new Promise<void>((resolve) =>
        server.behave((request, response) => {
          brokenOff = request.brokenOff;
          behaviour(request, response);
          resolve();
        }),
      );
      const work = failure(reranker.rerank("cat", ["a cat"], caller.signal));
      await arrived;
      caller.abort();
      assert.is((await work).code, "cancelled");
      assert.is(await brokenOff, true);
    }
  }));

test.run();
