import { suite } from "uvu";
import * as assert from "uvu/assert";
import { idsOf } from "../search_requests.ts";
import { cacheOf, withRegistry } from "./registry_rig.ts";

const test = suite("queries whose vectors are known");

test("While embedding is away, a query whose vector was kept is answered in full", () =>
  withRegistry({}, async ({ search, model, fail }) => {
    fail("embedding");
    model.fault = "fail";
    model.kept.add("cat");
    const kept = await search({ query: "cat", allowDegraded: false, explain: true });
    assert.equal([kept.rest.mode, kept.rest.degradations], ["full", []]);
    assert.is(idsOf(kept)[0], "a#0");
    assert.ok((kept.rest.explain as { vector?: object }).vector !== undefined, "vectors were searched");
    const other = await search({ query: "dog" });
    assert.equal([other.rest.mode, other.rest.degradations.length], ["lexical", 1]);
    assert.is(model.calls, 0);
  }));

test("What is answered in full while embedding is away is kept for when it is back", () =>
  withRegistry({}, async ({ search, model, fail }) => {
    fail("embedding");
    model.kept.add("cat");
    assert.is(cacheOf(await search({ query: "cat" })), "miss");
    fail();
    assert.is(cacheOf(await search({ query: "cat" })), "hit");
  }));

test("An answer that was given in full before is given again, also when its vector was forgotten", () =>
  withRegistry({}, async ({ search, fail, write, store }) => {
    await search({ query: "cat" });
    fail("embedding");
    const again = await search({ query: "cat", allowDegraded: false });
    assert.equal([cacheOf(again), again.rest.mode], ["hit", "full"]);
    assert.is((await search({ query: "cat", useCache: false })).rest.mode, "lexical");
    await write("docs", store.rows.slice(1));
    assert.is((await search({ query: "cat" })).rest.mode, "lexical", "it was another index version's");
  }));

test("A vector that the caller brings needs no embedding", () =>
  withRegistry({}, async ({ search, fail }) => {
    fail("embedding");
    const own = await search({ query: "cat", vector: Float32Array.of(0, 1, 0, 0), allowDegraded: false });
    assert.equal([own.rest.mode, own.rest.degradations], ["full", []]);
  }));

test("A known vector does not bring back a store", () =>
  withRegistry({}, async ({ search, fail, model }) => {
    fail("embedding", "vector_store");
    model.kept.add("cat");
    const answer = await search({ query: "cat" });
    assert.is(answer.rest.mode, "lexical");
    assert.equal(
      answer.rest.degradations.map(({ stage }) => stage),
      ["vector", "embed"],
    );
  }));

test.run();
