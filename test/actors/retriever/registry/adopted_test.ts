import { suite } from "uvu";
import * as assert from "uvu/assert";
import { adoptionOf } from "../../vector_store/adoptions.ts";
import { idsOf } from "../search_requests.ts";
import { cacheOf, withRegistry } from "./registry_rig.ts";

const test = suite("a registry's adopted collections");

test("Each search asks the store, and a kept answer is for an outage alone", () =>
  withRegistry({}, async ({ put, search, store, fail }) => {
    put("news", { chunks: 0 }, { adopt: adoptionOf({ lexical: "store", textSearch: "sparse" }) });
    const asked = { collection: "news" };
    const first = await search(asked);
    const calls = store.count("searchVector");
    const second = await search(asked);
    assert.equal([cacheOf(first), cacheOf(second)], ["miss", "miss"]);
    assert.is(store.count("searchVector"), calls + 1);
    assert.equal(idsOf(second), idsOf(first));
    fail("vector_store", "lexical_index");
    const stale = await search(asked);
    assert.equal([stale.rest.mode, cacheOf(stale), idsOf(stale)], ["stale", "hit", idsOf(first)]);
  }));

test("One whose rows are gone is unavailable, though Kennel has stored no document of it", () =>
  withRegistry({}, async ({ put, search, store }) => {
    put("news", { chunks: 0 }, { adopt: adoptionOf() });
    store.set("searchVector", { kind: "fail", code: "not_found" });
    const error = await search({ collection: "news", strategy: "vector" }).catch((thrown) => thrown);
    assert.is(error.code, "unavailable");
  }));

test("Without anybody who ranks its words, hybrid is vector and says so by its scores, undegraded", () =>
  withRegistry({}, async ({ put, search, store }) => {
    put("news", { chunks: 0 }, { adopt: adoptionOf() });
    const { rest } = await search({ collection: "news", strategy: "hybrid", allowDegraded: false });
    assert.equal([rest.mode, rest.degradations, store.count("searchText")], ["full", [], 0]);
  }));

test.run();
