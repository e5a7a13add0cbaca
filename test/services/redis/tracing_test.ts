import { test } from "uvu";
import * as assert from "uvu/assert";
import { until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { startOpenAiServer } from "../../support/openai_server.ts";
import { type ReceivedSpan, startOtlpReceiver } from "../../support/otlp_receiver.ts";
import { withRedis } from "./redis_rig.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SAMPLED = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
const CANARY = "canary-7f3a91-do-not-print";

const isWhole = (spans: readonly ReceivedSpan[]) => spans.some(({ name }) => name === "POST /v1/collections/{collection}/search");

test("What a traced search reads from Redis are spans with their command and number of keys, without keys or values", () =>
  withRedis(async (redis) => {
    const receiver = await startOtlpReceiver();
    const settings = {
      KENNEL_REDIS_URL: redis.url,
      KENNEL_REDIS_READ_TIMEOUT_MS: "500",
      KENNEL_TRACING: "true",
      KENNEL_TRACES_RATIO: "0",
      KENNEL_TRACES_INTERVAL_MS: "20",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    };
    try {
      await onNode(settings, async ({ caller }) => {
        await caller.makeCollection("pets", { share_answers: true });
        await caller.addDocuments("pets", [{ id: "manx", text: "A cat without a tail." }]);
        await caller.must("POST", "/v1/collections/pets/search", { query: `tail ${CANARY}` }, SAMPLED);
        const spans = await receiver.trace(isWhole, TRACE);
        const reads = spans.filter(({ name }) => name === "MGET redis");
        assert.ok(reads.length > 0);
        for (const { kind, attributes } of reads) {
          assert.is(kind, 3);
          assert.equal([attributes["db.system.name"], attributes["db.operation.name"]], ["redis", "MGET"]);
          assert.equal([Number(attributes["db.operation.batch.size"]), Number(attributes["db.response.returned_rows"])], [1, 0]);
        }
        await until("the answer is shared", async () => {
          const { children } = await caller.must<{ readonly children: readonly { path: string; details: { written: number } }[] }>(
            "GET",
            "/v1/status",
          );
          return children.find(({ path }) => path.endsWith("/redis_answers"))?.details.written === 1;
        });
      });
      assert.not.match(receiver.bodies.join(), CANARY);
    } finally {
      await receiver.close();
    }
  }));

test("The vector that a traced search has paid for is written to Redis in a span, without key or value", () =>
  withRedis(async (redis) => {
    const [receiver, provider] = [await startOtlpReceiver(), await startOpenAiServer({ dimensions: 32 })];
    const settings = {
      KENNEL_EMBEDDING: "openai:test-model",
      OPENAI_BASE_URL: provider.url,
      KENNEL_REDIS_URL: redis.url,
      KENNEL_REDIS_READ_TIMEOUT_MS: "500",
      KENNEL_TRACING: "true",
      KENNEL_TRACES_RATIO: "0",
      KENNEL_TRACES_INTERVAL_MS: "20",
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    };
    try {
      await onNode(settings, async ({ caller }) => {
        await caller.makeCollection("pets", {});
        await caller.addDocuments("pets", [{ id: "manx", text: "A cat without a tail." }]);
        await caller.must("POST", "/v1/collections/pets/search", { query: `tail ${CANARY}`, strategy: "vector" }, SAMPLED);
        const isWritten = (spans: readonly ReceivedSpan[]) => isWhole(spans) && spans.some(({ name }) => name === "MULTI SET redis");
        const written = (await receiver.trace(isWritten, TRACE)).filter(({ name }) => name === "MULTI SET redis");
        assert.equal(
          written.map(({ kind, attributes }) => [kind, attributes["db.operation.name"], Number(attributes["db.operation.batch.size"])]),
          [[3, "MULTI SET", 1]],
        );
      });
      assert.not.match(receiver.bodies.join(), CANARY);
    } finally {
      await provider.stop();
      await receiver.close();
    }
  }));

test.run();
