import { suite } from "uvu";
import * as assert from "uvu/assert";
import { watch } from "../../../support/supervision.ts";
import { textRow } from "../faulty_store.ts";
import { idsOf } from "../search_requests.ts";
import { cacheOf, OPTIONS, ROWS, withRegistry } from "./registry_rig.ts";

const test = suite("retriever registry");
const never = new AbortController().signal;

test("A collection is activated by its first query and stays warm", () =>
  withRegistry({}, async ({ search, retrievers, metrics }) => {
    assert.is(retrievers().length, 0);
    assert.equal(idsOf(await search()), ["a#0", "b#0", "c#0"]);
    await search({ query: "dog" });
    assert.equal(
      retrievers().map(({ path, kind, state }) => [path, kind, state]),
      [["node/retrievers/docs.v1", "retriever", "ready"]],
    );
    assert.is(metrics.counts.get("activated ready"), 1);
  }));

test("A name that is nobody's is refused, and the field is named", () =>
  withRegistry({}, async ({ search, metrics }) => {
    const error = await search({ collection: "nothing" }).catch((thrown) => thrown);
    assert.equal([error.code, error.param], ["not_found", "collection"]);
    assert.is(metrics.counts.get("failed not_found"), 1);
  }));

test("An alias and its collection share one retriever and one answer", () =>
  withRegistry({}, async ({ search, aliases, retrievers }) => {
    aliases.set("live", "docs");
    await search({ collection: "live" });
    assert.is(cacheOf(await search({ collection: "docs" })), "hit");
    assert.is(retrievers().length, 1);
  }));

test("Concurrent first queries share one activation, each within its own deadline", () =>
  withRegistry({}, async ({ search, store, clock, retrievers }) => {
    let open = (): void => {};
    const until = new Promise<void>((resolve) => {
      open = resolve;
    });
    store.set("searchVector", { kind: "wait", until }); // opening the tables takes its time
    const hurried = watch(search({ query: "cat" }, { timeoutMs: 100 }));
    const patient = watch(search({ query: "dog" }, { timeoutMs: 5_000 }));
    await clock.advance(100);
    assert.equal([hurried.result, patient.result], ["deadline_exceeded", null]);
    open();
    await clock.flush();
    assert.ok(patient.result !== null && typeof patient.result === "object");
    assert.is(retrievers().length, 1);
  }));

test("A retriever starts cold when its store hangs, and comes to its senses with it", () =>
  withRegistry({}, async ({ search, store, clock, retrievers }) => {
    store.set("searchVector", { kind: "hang" });
    const first = watch(search({ strategy: "bm25" }));
    await clock.advance(OPTIONS.warmLimitMs);
    assert.ok(first.result !== null && typeof first.result === "object");
    assert.is(retrievers()[0]?.state, "ready");
    store.set("searchVector", null);
    assert.is((await search({ query: "cat dog" })).rest.degradations.length, 0);
  }));

test("The same question again is answered from the cache, quickly and without the store", () =>
  withRegistry({}, async ({ search, store }) => {
    const first = await search();
    const calls = store.calls.length;
    const second = await search();
    assert.equal([cacheOf(first), cacheOf(second)], ["miss", "hit"]);
    assert.is(second.hits, first.hits, "the same bytes, not a copy");
    assert.is(store.calls.length, calls);
    assert.equal(Object.keys(second.rest.timings_ms), ["total"]);
  }));

test("What the cache holds is ready without a search, counted as one, and no miss when it is not there", () =>
  withRegistry({}, async ({ search, ready, store, metrics, registry, clock }) => {
    assert.is(ready(), null);
    assert.is(registry.status().answers.misses, 0);
    const first = await search();
    const calls = store.calls.length;
    await clock.advance(2);
    const second = ready();
    assert.is(second?.hits, first.hits, "the same bytes, not a copy");
    assert.equal(
      [second?.rest.cache, Object.keys(second?.rest.timings_ms ?? {}), second?.rest.degradations, second?.rest.mode],
      ["hit", ["total"], [], "full"],
    );
    assert.is(store.calls.length, calls);
    assert.equal([metrics.counts.get("answered miss"), metrics.counts.get("answered hit")], [1, 1]);
    assert.equal([registry.status().answers.hits, registry.status().answers.misses], [1, 1]);
  }));

test("Nothing is ready that a search would not answer from the cache", () =>
  withRegistry({}, async ({ search, ready, write, fail, registry }) => {
    await search();
    assert.is.not(ready(), null);
    assert.is(ready({ useCache: false }), null);
    assert.is(ready({ minVersion: 1 }), null, "a version may have to be waited for");
    assert.is(ready({ collection: "nothing" }), null);
    assert.is(ready({ query: "dog" }), null);
    assert.is(ready({}, { tenant: "another", principals: null }), null);
    fail("embedding");
    assert.is(ready(), null, "what is degraded is for the plan to say");
    fail();
    await write("docs", [...ROWS, textRow("new", "cat cat cat")]);
    assert.is(ready(), null, "there is a newer index version");
    await search();
    assert.is(ready()?.rest.index_version, 2);
    await registry.drain();
    assert.is(ready(), null);
  }));

test("use_cache false neither reads nor writes the cache", () =>
  withRegistry({}, async ({ search }) => {
    assert.is(cacheOf(await search({ useCache: false })), "off");
    assert.is(cacheOf(await search()), "miss");
    assert.is(cacheOf(await search({ useCache: false })), "off");
  }));

test("Concurrent identical questions are computed once", () =>
  withRegistry({}, async ({ search, store, model }) => {
    await search({ query: "bird" });
    const before = store.count("searchText");
    const answers = await Promise.all([search(), search(), search()]);
    assert.equal(answers.map(cacheOf), ["miss", "coalesced", "coalesced"]);
    assert.is(store.count("searchText"), before + 1);
    assert.is(model.calls, 2);
  }));

test("A degraded answer is shared by those who wait for it and kept for nobody else", () =>
  withRegistry({}, async ({ search, store }) => {
    await search({ query: "bird" });
    store.set("searchVector", { kind: "fail", code: "unavailable" });
    const [first] = await Promise.all([search(), search()]);
    assert.is(first.rest.degradations.length, 1);
    store.set("searchVector", null);
    const next = await search();
    assert.equal([cacheOf(next), next.rest.degradations], ["miss", []]);
  }));

test("Where only a full answer will do, a degraded one is an error: by the request's word before the collection's", () =>
  withRegistry({}, async ({ search, store, put, fail }) => {
    await search({ query: "bird" });
    store.set("searchVector", { kind: "fail", code: "unavailable" });
    assert.is((await search({ allowDegraded: false }).catch((thrown) => thrown)).code, "degraded");
    assert.is((await search({})).rest.degradations.length, 1);
    put("strict", {}, { allowDegraded: false });
    assert.is((await search({ collection: "strict" }).catch((thrown) => thrown)).code, "degraded");
    assert.is((await search({ collection: "strict", allowDegraded: true })).rest.degradations.length, 1);
    store.set("searchVector", null);
    fail("embedding");
    const calls = store.calls.length;
    assert.is((await search({ allowDegraded: false }).catch((thrown) => thrown)).code, "degraded");
    assert.is(store.calls.length, calls, "what the mode decides costs no search");
  }));

test("A refresh ends the old answers at once, and the next query sees what was written", () =>
  withRegistry({}, async ({ search, write }) => {
    const before = await search();
    assert.is(before.rest.index_version, 1);
    await write("docs", [...ROWS, textRow("new", "cat cat cat")]);
    const after = await search();
    assert.equal([cacheOf(after), after.rest.index_version], ["miss", 2]);
    assert.is(idsOf(after)[0], "new#0");
  }));

test("A computation that began before a refresh is not given to who asks after it", () =>
  withRegistry({}, async ({ search, store, write, clock }) => {
    await search({ query: "bird" });
    let open = (): void => {};
    store.set("searchText", {
      kind: "wait",
      until: new Promise<void>((resolve) => {
        open = resolve;
      }),
    });
    const old = search();
    await clock.flush();
    await write("docs", [...ROWS, textRow("new", "cat cat cat")]);
    const fresh = search();
    await clock.flush();
    open();
    assert.equal([(await old).rest.index_version, cacheOf(await old)], [1, "miss"]);
    assert.equal([(await fresh).rest.index_version, cacheOf(await fresh)], [2, "miss"]);
    const kept = await search();
    assert.equal([kept.rest.index_version, cacheOf(kept)], [2, "hit"]);
  }));

test("A catalog that has moved on is enough: no answer of an old version is given though nobody said refresh", () =>
  withRegistry({}, async ({ search, collections, store }) => {
    await search();
    const record = collections.get("docs");
    assert.ok(record);
    store.rows = [textRow("new", "cat")];
    collections.set("docs", { ...record, indexVersion: 2 });
    const after = await search();
    assert.equal([cacheOf(after), after.rest.index_version, idsOf(after)], ["miss", 2, ["new#0"]]);
  }));

test("min_version waits for the index version, within the deadline", () =>
  withRegistry({}, async ({ search, write, clock }) => {
    const waiting = watch(search({ minVersion: 2 }));
    const hurried = watch(search({ minVersion: 3 }, { timeoutMs: 100 }));
    await clock.flush();
    assert.is(waiting.result, null);
    await write("docs", ROWS);
    await clock.flush();
    assert.ok(waiting.result !== null && typeof waiting.result === "object" && waiting.result.rest.index_version === 2);
    await clock.advance(100);
    assert.is(hurried.result, "deadline_exceeded");
  }));

test("A dropped collection is forgotten: made anew under its name it has no old answers", () =>
  withRegistry({}, async ({ registry, search, put, collections, store, retrievers }) => {
    await search();
    collections.delete("docs");
    await registry.changed("docs", null);
    assert.is((await search().catch((thrown) => thrown)).code, "not_found");
    assert.is(retrievers().length, 0);
    store.rows = [];
    put("docs", { createdAtMs: 5 });
    const again = await search();
    assert.equal([cacheOf(again), idsOf(again)], ["miss", []]);
  }));

test("An answer that lands after its collection was dropped is not kept", () =>
  withRegistry({}, async ({ registry, search, store, collections, clock }) => {
    await search({ query: "bird" });
    let open = (): void => {};
    store.set("searchText", {
      kind: "wait",
      until: new Promise<void>((resolve) => {
        open = resolve;
      }),
    });
    const late = watch(search());
    await clock.flush();
    collections.delete("docs");
    const dropped = registry.drop("docs");
    open();
    await clock.advance(2_000);
    await dropped;
    assert.is.not(late.result, null);
    assert.is(registry.status().answers.entries, 0);
  }));

test("An idle retriever is passivated, a pinned one stays, and the next query brings the idle one back", () =>
  withRegistry({}, async ({ search, put, clock, retrievers, metrics }) => {
    put("kept", {}, { pinned: true });
    await search();
    await search({ collection: "kept" });
    await clock.advance(OPTIONS.passivation.idleMs + 2_000);
    assert.equal(
      retrievers().map(({ path }) => path),
      ["node/retrievers/kept.v1"],
    );
    assert.is(metrics.counts.get("passivated idle"), 1);
    assert.equal(idsOf(await search({ query: "dog" })), ["b#0", "a#0", "c#0"]);
  }));

test("Answers from the cache keep a retriever from being idle", () =>
  withRegistry({}, async ({ search, clock, retrievers }) => {
    await search();
    for (let i = 0; i < 4; i++) {
      await clock.advance(OPTIONS.passivation.idleMs / 2);
      assert.is(cacheOf(await search()), "hit");
    }
    assert.is(retrievers().length, 1);
  }));

test("No more collections are active than may be: the least recently used makes room", () =>
  withRegistry({ maxActive: 2 }, async ({ registry, search, put, clock, retrievers }) => {
    for (const name of ["one", "two", "three"]) {
      put(name);
      await search({ collection: name });
      await clock.advance(10);
    }
    assert.equal(
      retrievers()
        .map(({ path }) => path)
        .sort(),
      ["node/retrievers/three.v1", "node/retrievers/two.v1"],
    );
    assert.is(registry.status().active, 2);
  }));

test("A query whose collection is put out between being found and being asked opens it again, and is answered", () =>
  withRegistry({ maxActive: 1 }, async ({ search, put, clock, metrics }) => {
    put("other");
    const answers = Promise.all(["docs", "other"].map((collection, at) => search({ collection, query: `cat ${at}` })));
    let hasEnded = false;
    const end = () => {
      hasEnded = true;
    };
    answers.then(end, end);
    for (let steps = 0; steps < 100 && !hasEnded; steps++) await clock.advance(10);
    for (const answer of await answers) assert.ok(idsOf(answer).length > 0);
    assert.ok((metrics.counts.get("passivated count") ?? 0) > 0);
  }));

test("One that is put out while it waits for its last life to drain leaves the next one waiting for the same, not colliding with it", () =>
  withRegistry({}, async ({ registry, search, store, clock, retrievers }) => {
    await search({ query: "cat" });
    let goOn = (): void => {};
    const until = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    store.set("searchText", { kind: "wait", until });
    const slow = watch(search({ query: "dog", strategy: "bm25" }));
    await clock.flush();
    const releases = [registry.release("docs")]; // its retriever ends when the search has
    const second = watch(search({ query: "bird" }));
    await clock.flush();
    releases.push(registry.release("docs"));
    const third = watch(search({ query: "bird", strategy: "vector" }));
    await clock.flush();
    assert.equal([slow.result, third.result, retrievers().length], [null, null, 1]);
    store.set("searchText", null);
    goOn();
    await clock.advance(1_000);
    await Promise.all(releases);
    for (const { result } of [slow, second, third]) assert.ok(typeof result === "object" && result !== null, `${result}`);
    assert.is(retrievers().length, 1);
  }));

test("Retrievers leave when their memory is more than all may have", () =>
  withRegistry({ passivation: { idleMs: 600_000, maxBytes: 1_500 } }, async ({ search, put, clock, retrievers, metrics }) => {
    for (const name of ["one", "two"]) {
      put(name);
      await search({ collection: name });
      await clock.advance(10);
    }
    await clock.advance(2_000);
    assert.equal(
      retrievers().map(({ path }) => path),
      ["node/retrievers/two.v1"],
    );
    assert.is(metrics.counts.get("passivated bytes"), 1);
  }));

test("Pinned and recently used collections are warm after the start; one that can't be costs nothing but a count", () =>
  withRegistry({}, async ({ registry, put, recent, retrievers }) => {
    put("kept", {}, { pinned: true });
    put("seldom");
    recent.push("docs", "gone");
    await registry.start(never);
    assert.equal(
      retrievers()
        .map(({ path, state }) => `${path} ${state}`)
        .sort(),
      ["node/retrievers/docs.v1 ready", "node/retrievers/kept.v1 ready"],
    );
  }));

test("A pool shares the load: one replica's queue is not the other's", () =>
  withRegistry({}, async ({ search, put, store, clock, retrievers }) => {
    put("docs", {}, { pool: 2 });
    await search({ query: "bird" });
    let open = (): void => {};
    store.set("searchText", {
      kind: "wait",
      until: new Promise<void>((resolve) => {
        open = resolve;
      }),
    });
    const queries = Array.from({ length: 20 }, (_, i) => search({ strategy: "bm25", query: `cat ${i}` }));
    await clock.flush();
    const loads = retrievers().map(({ path, in_flight }) => [path, in_flight] as const);
    assert.equal(
      loads.map(([path]) => path),
      ["node/retrievers/docs.v1", "node/retrievers/docs.v1.r2"],
    );
    assert.ok(
      loads.every(([, inFlight]) => inFlight >= 8),
      JSON.stringify(loads),
    );
    open();
    await Promise.all(queries);
  }));

test("A change of the pool's size is taken up by the next query", () =>
  withRegistry({}, async ({ registry, search, put, collections, retrievers }) => {
    await search();
    put("docs", {}, { pool: 3 });
    await registry.changed("docs", collections.get("docs") ?? null);
    await search({ query: "dog" });
    assert.is(retrievers().length, 3);
  }));

test("Documents older than the collection's time to live are not found", () =>
  withRegistry({}, async ({ search, put, store, clock }) => {
    put("docs", {}, { ttlSeconds: 100 });
    store.rows = [
      textRow("old", "cat", { updatedAtMs: clock.wallMs() }),
      textRow("new", "cat dog", { updatedAtMs: clock.wallMs() + 60_000 }),
    ];
    await clock.advance(60_000);
    assert.equal([...idsOf(await search())].sort(), ["new#0", "old#0"]);
    await clock.advance(41_000);
    assert.equal(idsOf(await search()), ["new#0"], "though the answer of before was kept");
  }));

test("With the store down, what was asked before is answered with its age, and the rest is told why not", () =>
  withRegistry({}, async ({ search, fail, clock }) => {
    await search();
    fail("vector_store", "lexical_index");
    await clock.advance(3_000);
    const stale = await search();
    assert.equal([stale.rest.mode, stale.rest.freshness.age_ms, idsOf(stale)], ["stale", 3_000, ["a#0", "b#0", "c#0"]]);
    assert.equal(stale.rest.degradations.map(({ stage }) => stage).sort(), ["bm25", "vector"]);
    const error = await search({ query: "dog" }).catch((thrown) => thrown);
    assert.is(error.code, "unavailable");
    assert.match(error.message, /vector_store/);
    assert.is((await search({ allowDegraded: false }).catch((thrown) => thrown)).code, "degraded");
    fail();
    assert.equal([(await search()).rest.mode, cacheOf(await search())], ["full", "hit"]);
  }));

test("A store that has just gone, before the mode knows: what is still known of the question is answered", () =>
  withRegistry({}, async ({ search, fail, store, registry, put, collections, clock }) => {
    await search();
    put("docs", { indexVersion: 2 }, {});
    await registry.changed("docs", collections.get("docs") ?? null);
    store.set("searchVector", { kind: "fail", code: "unavailable" });
    store.set("searchText", { kind: "fail", code: "unavailable" });
    await clock.advance(3_000);
    for (const failed of [[], ["embedding"]] as const) {
      fail(...failed); // what was answered in full is given, whatever else is missing now
      const kept = await search();
      assert.equal(
        [kept.rest.mode, kept.rest.cache, kept.rest.freshness.age_ms, idsOf(kept)],
        ["stale", "hit", 3_000, ["a#0", "b#0", "c#0"]],
      );
      assert.ok(kept.rest.degradations.some(({ stage, reason }) => stage === "retrieve" && reason === "unavailable"));
    }
    fail();
    for (const refused of [{ query: "dog" }, { allowDegraded: false }, { useCache: false }]) {
      assert.is((await search(refused).catch((thrown) => thrown)).code, "unavailable", JSON.stringify(refused));
    }
    store.set("searchVector", null);
    store.set("searchText", null);
    assert.equal([(await search()).rest.mode, (await search()).rest.index_version], ["full", 2]);
  }));

test("A node that drains takes no new query", () =>
  withRegistry({}, async ({ registry, search }) => {
    await search();
    await registry.drain();
    assert.is((await search().catch((thrown) => thrown)).code, "draining");
  }));

test("An answer that lacked a service which no mode tells of is not given once the service is back", () =>
  withRegistry({}, async ({ search, ready, fail, parentStore }) => {
    const asked = { query: "cat", strategy: "parent_document" } as const;
    fail("document_store");
    parentStore.fault = "fail";
    const lacking = await search(asked);
    assert.equal([lacking.rest.mode, lacking.rest.degradations.map(({ stage }) => stage)], ["full", ["parents"]]);
    assert.is((await search(asked)).rest.cache, "hit", "while it is away the answer is kept");
    fail();
    parentStore.fault = null;
    assert.is(ready(asked), null);
    const whole = await search({ ...asked, allowDegraded: false });
    assert.equal([whole.rest.cache, whole.rest.degradations], ["miss", []]);
  }));

test.run();
