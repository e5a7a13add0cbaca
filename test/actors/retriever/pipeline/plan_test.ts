import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ModeView } from "../../../../actors/coordinator/modes.ts";
import { planSearch, refuseDegraded } from "../../../../actors/retriever/pipeline/plan.ts";
import type { Degradation } from "../../../../actors/retriever/search.ts";
import { KennelError } from "../../../../runtime/errors.ts";
import { FULL, searchRequest } from "../search_requests.ts";

const test = suite("search plan");
const WEIGHTED = { type: "weighted", alpha: 0.3 } as const;
const down = (stage: string): Degradation => ({ stage, reason: "unavailable", service: `${stage} service`, breaker: "open" });
const LEXICAL: ModeView = { ...FULL, mode: "lexical", canEmbed: false, degradations: [down("embed")] };
const BASIC: ModeView = { ...FULL, mode: "basic", canSearchText: false, degradations: [down("bm25")] };
const DOWN: ModeView = {
  mode: "down",
  canEmbed: true,
  canSearchVectors: false,
  canSearchText: false,
  degradations: [down("vector"), down("bm25")],
};
const own = Float32Array.of(1, 0, 0, 0);

const code = (body: () => unknown): string => {
  try {
    body();
  } catch (thrown) {
    if (thrown instanceof KennelError) return `${thrown.code} ${thrown.param ?? ""} ${thrown.message}`;
    throw thrown;
  }
  return "nothing thrown";
};

test("A plan under the full mode runs what the strategy says", () => {
  assert.equal(planSearch(searchRequest(), WEIGHTED, FULL).branches, ["vector", "bm25"]);
  assert.equal(planSearch(searchRequest({ strategy: "vector" }), WEIGHTED, FULL).branches, ["vector"]);
  assert.equal(planSearch(searchRequest({ strategy: "bm25" }), WEIGHTED, FULL).branches, ["bm25"]);
  const parents = planSearch(searchRequest({ strategy: "parent_document" }), WEIGHTED, FULL);
  assert.equal([parents.branches, parents.groupBy], [["vector", "bm25"], "parent"]);
});

test("A plan leaves out what is down and says so", () => {
  const plan = planSearch(searchRequest(), WEIGHTED, LEXICAL);
  assert.equal(plan.branches, ["bm25"]);
  assert.equal(plan.degradations, [down("embed")]);
});

test("A plan lets the other branch stand in when the wanted one is down", () => {
  assert.equal(planSearch(searchRequest({ strategy: "vector" }), WEIGHTED, LEXICAL).branches, ["bm25"]);
  assert.equal(planSearch(searchRequest({ strategy: "bm25" }), WEIGHTED, BASIC).branches, ["vector"]);
});

test("A client's own vector needs no embedding", () => {
  const plan = planSearch(searchRequest({ strategy: "vector", query: null, vector: own }), WEIGHTED, LEXICAL);
  assert.equal([plan.branches, plan.degradations], [["vector"], []]);
});

test("A vector without a query has no lexical side, whatever the strategy", () => {
  assert.equal(planSearch(searchRequest({ query: null, vector: own }), WEIGHTED, FULL).branches, ["vector"]);
  assert.equal(planSearch(searchRequest({ query: "cat", vector: own }), WEIGHTED, FULL).branches, ["vector", "bm25"]);
});

test("An outage is reported to those only whom it touches", () => {
  assert.equal(planSearch(searchRequest({ strategy: "bm25" }), WEIGHTED, LEXICAL).degradations, []);
  const parentsDown = { ...FULL, degradations: [down("parents"), down("rerank")] };
  assert.equal(planSearch(searchRequest(), WEIGHTED, parentsDown).degradations, []);
  assert.equal(planSearch(searchRequest({ strategy: "parent_document" }), WEIGHTED, parentsDown).degradations, [down("parents")]);
});

test("A plan with nothing left fails as unavailable and names the causes", () => {
  assert.match(
    code(() => planSearch(searchRequest(), WEIGHTED, DOWN)),
    /^unavailable .*vector service \(vector\), bm25 service \(bm25\)/,
  );
  // A vector alone can't be looked up in a lexical index.
  const vectorsDown = { ...FULL, canSearchVectors: false, degradations: [down("vector")] };
  assert.match(
    code(() => planSearch(searchRequest({ query: null, vector: own }), WEIGHTED, vectorsDown)),
    /^unavailable/,
  );
});

test("A request that asks nothing is told which field it lacks", () => {
  assert.match(
    code(() => planSearch(searchRequest({ query: null }), WEIGHTED, FULL)),
    /^invalid_request query/,
  );
  assert.match(
    code(() => planSearch(searchRequest({ strategy: "bm25", query: null, vector: own }), WEIGHTED, FULL)),
    /^invalid_request query/,
  );
});

test("A degraded answer is refused where only a full one will do, and the refusal says what is missing", () => {
  refuseDegraded([down("embed")], true);
  refuseDegraded([], false);
  assert.match(
    code(() => refuseDegraded([down("embed")], false)),
    /^degraded .*embed by embed service \(unavailable\)/,
  );
});

test.run();
