// Cohere's official client against a whole node.
import { CohereClientV2, CohereError } from "cohere-ai";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { onNode } from "./node_rig.ts";

const MODEL = "static-minilm-256";
const DOCUMENTS = ["A cat without a tail, from the Isle of Man.", "A small scent hound, bred to hunt hare.", "zzqqxxyy"];

test("Documents come back in the order in which they answer, scored from 0 to 1", () =>
  onNode({}, async ({ caller }) => {
    const client = new CohereClientV2({ environment: caller.url, token: "none" });
    const { results, id } = await client.rerank({ model: MODEL, query: "dogs that hunt", documents: DOCUMENTS });
    assert.is(results[0]?.index, 1);
    assert.equal(results.map(({ index }) => index).sort(), [0, 1, 2]);
    assert.ok(results.every(({ relevanceScore }) => relevanceScore >= 0 && relevanceScore <= 1));
    assert.ok((id ?? "").length > 0);
    const first = await client.rerank({ model: MODEL, query: "dogs that hunt", documents: DOCUMENTS, topN: 1 });
    assert.equal(first.results, results.slice(0, 1));
    const bare = { query: "dogs that hunt", documents: DOCUMENTS.map((text) => ({ text })), top_n: 1, return_documents: true };
    const reply = await caller.must<{ readonly results: readonly { readonly index: number }[] }>("POST", "/v1/rerank", bare);
    assert.is(reply.results[0]?.index, 1);
  }));

test("Another model, no documents and too many are refused by name", () =>
  onNode({}, async ({ caller }) => {
    const client = new CohereClientV2({ environment: caller.url, token: "none" });
    const refused = async (changes: object) => {
      try {
        await client.rerank({ model: MODEL, query: "dogs", documents: DOCUMENTS, ...changes }, { maxRetries: 0 });
      } catch (thrown) {
        assert.ok(thrown instanceof CohereError);
        return [thrown.statusCode, (thrown.body as { readonly error: { readonly param: string } }).error.param];
      }
      return assert.unreachable("it was not refused");
    };
    assert.equal(await refused({ model: "rerank-v4.0-pro" }), [404, "model"]);
    assert.equal(await refused({ documents: [] }), [400, "documents"]);
    assert.equal(await refused({ documents: Array(1_001).fill("a") }), [400, "documents"]);
    assert.equal(await refused({ query: "" }), [400, "query"]);
    assert.equal(await refused({ topN: 0 }), [400, "top_n"]);
  }));

test.run();
