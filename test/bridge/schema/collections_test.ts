import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CollectionChoices, type CollectionDefaults, parseCollectionSettings, toFusion } from "../../../bridge/schema/collections.ts";
import { KennelError } from "../../../runtime/errors.ts";

const test = suite("Settings of a collection on the wire");

const DEFAULTS: CollectionDefaults = {
  language: "english",
  embedding: "static-minilm-256",
  chunking: { maxTokens: 256, overlapTokens: 32, parentTokens: 1_024 },
  fusion: { type: "weighted", alpha: 0.3 },
  pinned: false,
  resident: "auto",
  replicas: 1,
  pool: 1,
  ttlSeconds: null,
  allowDegraded: true,
  shareAnswers: false,
};
const CHOICES: CollectionChoices = { languages: ["none", "english"], embeddings: ["static-minilm-256"], vectorIndexes: ["hnsw", "flat"] };

const parse = (body: unknown, defaults = DEFAULTS) => parseCollectionSettings(body, defaults, CHOICES);

test("Nothing given is every default", () => {
  assert.equal(parse({}), { ...DEFAULTS, attributes: {} });
});

test("What is given holds, null as a time to live included", () => {
  const defaults = { ...DEFAULTS, ttlSeconds: 60, pinned: true };
  const settings = parse(
    { pinned: false, ttl_seconds: null, language: "none", resident: "never", pool: 2, allow_degraded: false },
    defaults,
  );
  assert.equal(
    [settings.pinned, settings.ttlSeconds, settings.language, settings.resident, settings.pool, settings.allowDegraded],
    [false, null, "none", "never", 2, false],
  );
});

test("A vector index is asked for where the store has some to choose from, and not of an adopted collection", () => {
  assert.is(parse({ vector_index: "flat" }).vectorIndex, "flat");
  assert.is(Object.hasOwn(parse({}), "vectorIndex"), false);
  const refusedFor = (body: object, choices: CollectionChoices) => {
    try {
      parseCollectionSettings(body, DEFAULTS, choices);
      assert.unreachable("it was taken");
    } catch (thrown) {
      assert.ok(thrown instanceof KennelError);
      assert.equal([thrown.code, thrown.param], ["invalid_request", "vector_index"]);
    }
  };
  refusedFor({ vector_index: "ivf" }, CHOICES);
  refusedFor({ vector_index: "flat" }, { ...CHOICES, vectorIndexes: [] });
  refusedFor({ vector_index: "flat", adopt: { collection: "articles" } }, CHOICES);
});

test("A default never contradicts what was asked for: chunking is valid, or the field that was given is refused", () => {
  const chunking = fc.record(
    {
      max_tokens: fc.integer({ min: 16, max: 8_192 }),
      overlap_tokens: fc.integer({ min: 0, max: 8_192 }),
      parent_tokens: fc.integer({ min: 0, max: 8_192 }),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(chunking, (given) => {
      try {
        const { maxTokens, overlapTokens, parentTokens } = parse({ chunking: given }).chunking;
        assert.ok(overlapTokens < maxTokens);
        assert.ok(parentTokens === 0 || parentTokens >= maxTokens);
      } catch (thrown) {
        assert.ok(thrown instanceof KennelError && thrown.code === "invalid_request");
        assert.ok(Object.hasOwn(given, (thrown.param ?? "").replace("chunking.", "")), `${thrown.param} was given`);
      }
    }),
  );
});

test("A fusion of the default's type takes what it leaves out from the default, another from its own method", () => {
  const rrf = { type: "rrf", k: 20, weights: { vector: 2, bm25: 3 } } as const;
  assert.equal(toFusion({ type: "rrf", weights: { bm25: 1 } }, rrf), { type: "rrf", k: 20, weights: { vector: 2, bm25: 1 } });
  assert.equal(toFusion({ type: "rrf" }, DEFAULTS.fusion), { type: "rrf", k: 60, weights: { vector: 1, bm25: 1 } });
  assert.equal(toFusion({ type: "weighted" }, { type: "weighted", alpha: 0.5 }), { type: "weighted", alpha: 0.5 });
  assert.equal(toFusion({ type: "weighted" }, rrf), { type: "weighted", alpha: 0.3 });
});

test.run();
