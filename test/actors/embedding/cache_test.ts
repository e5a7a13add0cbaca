import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EmbeddingCache } from "../../../actors/embedding/cache.ts";
import type { EmbeddingModel } from "../../../actors/embedding/embedding.ts";
import { kennelError } from "../../../runtime/errors.ts";

const test = suite("embedding cache");
const never = new AbortController().signal;
const roomy = { maxQueryBytes: 1_000_000, maxDocumentBytes: 1_000_000 };

/** Answers `[length]` and notes what it was asked for. */
function countingModel(name = "counting"): EmbeddingModel & { readonly asked: string[][] } {
  const asked: string[][] = [];
  return {
    name,
    dimensions: 1,
    maxBatch: 8,
    asked,
    async embed(texts) {
      asked.push([...texts]);
      return texts.map((text) => (text === "" ? null : Float32Array.of(text.length)));
    },
  };
}

test("EmbeddingCache asks its model only for what it has not seen, each text once, and keeps the order", async () => {
  const cache = new EmbeddingCache(roomy);
  const model = countingModel();
  const cached = cache.wrap(model);
  await cached.embed(["aa", ""], "query", never);
  const vectors = await cached.embed(["b", "aa", "", "b", "cccc"], "query", never);
  assert.equal(model.asked, [
    ["aa", ""],
    ["b", "cccc"],
  ]);
  assert.equal(vectors, [Float32Array.of(1), Float32Array.of(2), null, Float32Array.of(1), Float32Array.of(4)]);
  assert.equal({ hits: cache.stats.hits, misses: cache.stats.misses, entries: cache.stats.entries }, { hits: 3, misses: 4, entries: 4 });
});

test("EmbeddingCache keeps models and purposes apart", async () => {
  const cache = new EmbeddingCache(roomy);
  const [one, two] = [countingModel("one"), countingModel("two")];
  await cache.wrap(one).embed(["a"], "query", never);
  await cache.wrap(one).embed(["a"], "document", never);
  await cache.wrap(two).embed(["a"], "query", never);
  assert.is(one.asked.length, 2);
  assert.is(two.asked.length, 1);
});

test("EmbeddingCache forgets the least recently used text when its bytes are used up", async () => {
  const cache = new EmbeddingCache({ maxQueryBytes: 600, maxDocumentBytes: 600 });
  const model = countingModel();
  const cached = cache.wrap(model);
  for (const text of ["a", "b", "a", "c", "a", "b"]) await cached.embed([text], "query", never);
  assert.equal(model.asked.flat(), ["a", "b", "c", "b"]);
  assert.ok(cache.stats.bytes <= 600);
});

test("EmbeddingCache of no bytes passes everything on", async () => {
  const cache = new EmbeddingCache({ maxQueryBytes: 0, maxDocumentBytes: 1000 });
  const model = countingModel();
  for (let round = 0; round < 2; round++) await cache.wrap(model).embed(["a"], "query", never);
  assert.is(model.asked.length, 2);
});

test("EmbeddingCache keeps nothing of a call that failed", async () => {
  const model = countingModel();
  let isDown = true;
  const failing: EmbeddingModel = {
    ...model,
    embed: (texts, purpose, signal) => (isDown ? Promise.reject(kennelError("unavailable")) : model.embed(texts, purpose, signal)),
  };
  const cached = new EmbeddingCache(roomy).wrap(failing);
  assert.is(await cached.embed(["a"], "query", never).catch((error) => error.code), "unavailable");
  isDown = false;
  assert.equal(await cached.embed(["a"], "query", never), [Float32Array.of(1)]);
});

test("EmbeddingCache rejects with cancelled when the signal has aborted, even for a text it holds", async () => {
  const cached = new EmbeddingCache(roomy).wrap(countingModel());
  await cached.embed(["a"], "query", never);
  assert.is(await cached.embed(["a"], "query", AbortSignal.abort()).catch((error) => error.code), "cancelled");
});

test("A vector is recalled from here, else from behind, and is then here; the model is not asked", async () => {
  const model = countingModel();
  const asked: string[] = [];
  const cached = new EmbeddingCache(roomy).wrap(model, async (text) => {
    asked.push(text);
    return text === "behind" ? Float32Array.of(1, 0) : null;
  });
  await cached.embed(["here"], "query", never);
  assert.is((await cached.recall("here", "query", never))?.length, model.dimensions);
  assert.is(await cached.recall("here", "document", never), null, "it was kept as a query");
  assert.equal(await cached.recall("behind", "query", never), Float32Array.of(1, 0));
  assert.equal(await cached.recall("behind", "query", never), Float32Array.of(1, 0));
  assert.is(await cached.recall("nowhere", "query", never), null);
  assert.equal(asked, ["here", "behind", "nowhere"]);
});

test.run();
