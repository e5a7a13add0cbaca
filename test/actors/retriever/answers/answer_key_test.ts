import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AnswerKeyParts, AnswerKeys, answerKey } from "../../../../actors/retriever/answers/answer_key.ts";
import { DEFAULT_OPTIONS, INCLUDES, MODES, type SearchRequest, STRATEGIES } from "../../../../actors/retriever/search.ts";
import { OPEN_SCOPE } from "../../../../transport/transport.ts";
import { collectionRecord, searchRequest } from "../search_requests.ts";

const test = suite("answer key");

/** Texts that would run together if parts were joined carelessly. */
const text = fc.oneof(fc.constantFrom("", "a", "b", "a|b", "null", '"', ",", "[]", '","'), fc.string({ maxLength: 6 }));
const comparison = fc.record({
  type: fc.constantFrom("eq", "ne"),
  key: fc.constantFrom("lang", "year"),
  value: fc.oneof(text, fc.integer(), fc.boolean()),
});
const filter = fc.option(
  fc.oneof(comparison, fc.record({ type: fc.constantFrom("and", "or"), filters: fc.array(comparison, { maxLength: 2 }) })),
);
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const fusion = fc.oneof(
  fc.record({ type: fc.constant("weighted" as const), alpha: number }),
  fc.record({ type: fc.constant("rrf" as const), k: number, weights: fc.record({ vector: number, bm25: number }) }),
);
const request = fc.record({
  collection: text,
  query: fc.option(text),
  vector: fc.option(fc.float32Array({ maxLength: 3, noNaN: true })),
  strategy: fc.constantFrom(...STRATEGIES),
  options: fc.constantFrom(DEFAULT_OPTIONS, { ...DEFAULT_OPTIONS, subQueries: 5 }),
  topK: fc.nat(),
  candidateK: fc.nat(),
  filter,
  fusion: fc.constant(null),
  groupBy: fc.constantFrom("document" as const, null),
  scoreThreshold: fc.option(number),
  rerank: fc.boolean(),
  allowDegraded: fc.constant(null),
  minVersion: fc.constant(null),
  include: fc.subarray([...INCLUDES]),
  explain: fc.boolean(),
  useCache: fc.constant(true),
}) as fc.Arbitrary<SearchRequest>;
const parts: fc.Arbitrary<AnswerKeyParts> = fc.record({
  scope: fc.record({ tenant: text, principals: fc.option(fc.array(text, { maxLength: 2 })) }),
  acl: fc.constantFrom("required" as const, undefined),
  collection: text,
  createdAtMs: fc.nat(),
  version: fc.nat(),
  model: text,
  mode: fc.constantFrom(...MODES),
  failed: fc.constant([]),
  helpers: fc.constant(""),
  fusion,
  notBeforeMs: fc.option(fc.nat()),
  request,
});

/** Every part that decides an answer. A new field of either type has to be put here or there before this compiles. */
const KEY_PARTS = {
  scope: 1,
  acl: 1,
  collection: 1,
  createdAtMs: 1,
  version: 1,
  model: 1,
  mode: 1,
  failed: 0, // what concerns the request; below
  helpers: 0, // where they have a part in the answer; below
  fusion: 1,
  notBeforeMs: 1,
  request: 0,
} satisfies Record<keyof AnswerKeyParts, 0 | 1>;
const REQUEST_PARTS = {
  collection: 0, // by its own name, so that an alias shares its answers
  query: 1,
  vector: 1,
  strategy: 1,
  options: 1,
  topK: 1,
  candidateK: 1,
  filter: 1,
  fusion: 0, // the resolved one counts
  groupBy: 1,
  scoreThreshold: 1,
  rerank: 1,
  allowDegraded: 0,
  minVersion: 0,
  include: 1,
  explain: 1,
  useCache: 0,
} satisfies Record<keyof SearchRequest, 0 | 1>;

/** Equal as questions: what is included is a set, and -0 is 0 as JSON has it. */
const same = (a: unknown, b: unknown): boolean => plain(a) === plain(b);
const plain = (value: unknown): string =>
  JSON.stringify(value, (key, inner: unknown) =>
    inner instanceof Float32Array ? [...new Uint8Array(inner.buffer)] : key === "include" ? [...(inner as string[])].sort() : inner,
  );

test("Changing any part that decides an answer changes the key", () => {
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const key = answerKey(one);
      for (const [part, decides] of Object.entries(KEY_PARTS) as [keyof AnswerKeyParts, 0 | 1][]) {
        if (decides && !same(one[part], other[part])) assert.is.not(answerKey({ ...one, [part]: other[part] }), key, part);
      }
      for (const [part, decides] of Object.entries(REQUEST_PARTS) as [keyof SearchRequest, 0 | 1][]) {
        if (
          part === "include"
            ? same([...one.request.include].sort(), [...other.request.include].sort())
            : same(one.request[part], other.request[part])
        )
          continue;
        const changed = answerKey({ ...one, request: { ...one.request, [part]: other.request[part] } });
        if (decides) assert.is.not(changed, key, part);
        else assert.is(changed, key, part);
      }
    }),
    { numRuns: 500 },
  );
});

test("Two questions have one key only when they are equal in every part", () => {
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const decisive = (from: AnswerKeyParts) => ({ ...from, request: { ...from.request, collection: "" } });
      if (answerKey(one) === answerKey(other)) assert.is(plain(decisive(one)), plain(decisive(other)));
    }),
    { numRuns: 500 },
  );
});

test("The order in which parts of hits are asked for does not matter", () => {
  fc.assert(
    fc.property(parts, (one) => {
      const turned = { ...one, request: { ...one.request, include: [...one.request.include].reverse() } };
      assert.is(answerKey(turned), answerKey(one));
    }),
  );
});

test("What is away, and who ranks or writes, is in the keys of questions that they have a part in, and in no other's", () => {
  const record = collectionRecord({ name: "docs" });
  const first = {
    scope: OPEN_SCOPE,
    record,
    version: 1,
    mode: "full" as const,
    failed: [],
    helpers: "one",
    fusion: record.settings.fusion,
    notBeforeMs: null,
  };
  const failed = [{ stage: "parents", reason: "unavailable", service: "document_store", breaker: "open" as const }];
  const differs = (over: Partial<SearchRequest>, changed: Partial<typeof first> | { readonly failed: typeof failed }) => {
    const keys = new AnswerKeys();
    const asked = searchRequest(over);
    return keys.of(asked, first) !== keys.of(asked, { ...first, ...changed });
  };
  assert.equal([differs({ strategy: "parent_document" }, { failed }), differs({ strategy: "hybrid" }, { failed })], [true, false]);
  const helpers = "another";
  assert.equal(
    [{ rerank: true }, { strategy: "hyde" as const }, {}].map((over) => differs(over, { helpers })),
    [true, true, false],
  );
});

test("The key of a question that is asked again as the same object is made anew for whatever else has changed", () => {
  const keys = new AnswerKeys();
  const [asked] = fc.sample(request, { numRuns: 1, seed: 3 }) as [SearchRequest];
  const record = collectionRecord({ name: "docs" });
  const first = {
    scope: OPEN_SCOPE,
    record,
    version: 1,
    mode: "full" as const,
    failed: [],
    helpers: "",
    fusion: record.settings.fusion,
    notBeforeMs: null,
  };
  const key = keys.of(asked, first);
  assert.is(keys.of(asked, { ...first }), key);
  assert.is(keys.of(asked, { ...first, record: { ...record } }), key, "equal parts, equal key");
  for (const changed of [
    { scope: { tenant: "other", principals: null } },
    { record: collectionRecord({ name: "docs", createdAtMs: record.createdAtMs + 1 }) },
    { version: 2 },
    { mode: "basic" as const },
    { fusion: { type: "weighted" as const, alpha: 0.123 } },
    { notBeforeMs: 5 },
  ]) {
    assert.is.not(keys.of(asked, { ...first, ...changed }), key, Object.keys(changed)[0]);
    assert.is(keys.of(asked, first), key);
  }
});

test.run();
