import { suite } from "uvu";
import * as assert from "uvu/assert";
import { evaluateStrategies } from "../../../../actors/retriever/evaluation/evaluation.ts";
import type { EncodedAnswer, SearchRequest } from "../../../../actors/retriever/search.ts";
import { kennelError } from "../../../../runtime/errors.ts";

const test = suite("Judging strategies");

function answerOf(ids: readonly string[], indexVersion = 3, isDegraded = false): EncodedAnswer {
  const degradation = { stage: "vector", reason: "unavailable", service: "vector_store", breaker: "open" } as const;
  return {
    hits: new TextEncoder().encode(JSON.stringify(ids.map((document_id) => ({ document_id })))),
    rest: {
      mode: "full",
      degradations: isDegraded ? [degradation] : [],
      timings_ms: {},
      cache: "off",
      index_version: indexVersion,
      freshness: { index: "store", age_ms: 0 },
    },
  };
}

const QUERIES = [
  { query: "first", judgements: new Map([["a", 1]]) },
  { query: "second", judgements: new Map([["b", 1]]) },
];

test("Each strategy is asked every question, past the cache, and scored by what came", async () => {
  const asked: SearchRequest[] = [];
  const results = await evaluateStrategies(
    { collection: "docs", queries: QUERIES, strategies: ["bm25", "hybrid"], ensemble: [], fusion: null },
    async (request) => {
      asked.push(request);
      return request.strategy === "hybrid" ? answerOf(["b", "a"]) : answerOf(request.query === "first" ? ["a"] : [], 2, true);
    },
  );
  assert.equal(
    asked.map(({ query, strategy, useCache, groupBy, topK }) => [query, strategy, useCache, groupBy, topK]),
    ["bm25", "hybrid"].flatMap((strategy) => ["first", "second"].map((query) => [query, strategy, false, "document", 100])),
  );
  const [bm25, hybrid] = results;
  assert.equal([bm25?.figures.ndcg_10.mean, bm25?.figures.recall_100.mean, bm25?.degraded, bm25?.indexVersion], [0.5, 0.5, 2, 2]);
  assert.equal([hybrid?.figures.mrr_10.mean, hybrid?.figures.recall_100.mean, hybrid?.degraded], [0.75, 1, 0]);
  assert.ok(hybrid !== undefined && hybrid.figures.mrr_10.low >= 0.5 && hybrid.figures.mrr_10.high <= 1);
});

test("A search that fails ends the evaluation, and no other is begun", async () => {
  let begun = 0;
  const queries = Array.from({ length: 50 }, () => ({ query: "any", judgements: new Map([["a", 1]]) }));
  const error = await evaluateStrategies(
    { collection: "docs", queries, strategies: ["bm25", "vector"], ensemble: [], fusion: null },
    async () => {
      begun += 1;
      throw kennelError("overloaded");
    },
  ).then(
    () => null,
    (thrown: { readonly code: string }) => thrown.code,
  );
  assert.is(error, "overloaded");
  assert.ok(begun <= 4, `${begun} were begun`);
});

test.run();
