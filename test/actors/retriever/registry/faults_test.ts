import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Filter } from "../../../../actors/vector_store/filter.ts";
import { watch } from "../../../support/supervision.ts";
import { textRow } from "../faulty_store.ts";
import { hitsOf, idsOf } from "../search_requests.ts";
import { OPTIONS, startRegistry, withRegistry } from "./registry_rig.ts";

const test = suite("retrievers under faults");

const outcome = (watched: { readonly result: unknown }): string =>
  watched.result === null ? "waits" : typeof watched.result === "string" ? watched.result : "answered";

test("A broken driver fails its own callers and, by and by, opens its retriever's breaker; other collections notice nothing", () =>
  withRegistry({}, async ({ search, put, store, clock, retrievers }) => {
    put("broken");
    await search({ query: "bird" });
    await search({ collection: "broken", query: "bird" });
    store.set("searchText", { kind: "throw" }, "broken");
    store.set("searchVector", { kind: "throw" }, "broken");
    for (let i = 0; i < 6; i++) {
      const error = await search({ collection: "broken", query: `cat ${i}` }).catch((thrown) => thrown);
      assert.ok(["internal", "unavailable"].includes(error.code), error.code);
      assert.equal(idsOf(await search({ query: `cat ${i}` })).length, 3);
    }
    const broken = retrievers().find(({ path }) => path.endsWith("broken.v1"));
    assert.equal([broken?.state, broken?.breaker], ["suspended", "open"]);
    const refused = watch(search({ collection: "broken" }));
    await clock.flush();
    assert.is(outcome(refused), "unavailable", "callers are told at once");
    store.set("searchText", null, "broken");
    store.set("searchVector", null, "broken");
    await clock.advance(1_000);
    assert.equal(idsOf(await search({ collection: "broken" })).length, 3, "it came back without anyone's help");
  }));

test("A store that hangs for one collection lets its queries go at their deadline and holds nothing of another's", () =>
  withRegistry({}, async ({ search, put, store, clock, retrievers }) => {
    put("hanging");
    await search({ query: "bird" });
    await search({ collection: "hanging", query: "bird" });
    store.set("searchText", { kind: "hang" }, "hanging");
    store.set("searchVector", { kind: "hang" }, "hanging");
    const stuck = Array.from({ length: 40 }, (_, i) => watch(search({ collection: "hanging", query: `cat ${i}` }, { timeoutMs: 1_000 })));
    await clock.flush();
    assert.ok(stuck.every((one) => outcome(one) === "waits"));
    assert.equal(idsOf(await search()).length, 3);
    await clock.advance(1_000);
    assert.ok(
      stuck.every((one) => outcome(one) === "deadline_exceeded"),
      stuck.map(outcome).join(),
    );
    assert.equal(new Set(retrievers().map(({ state }) => state)), new Set(["ready"]), "the retriever is not at fault");
    store.set("searchText", null, "hanging");
    store.set("searchVector", null, "hanging");
    assert.equal(idsOf(await search({ collection: "hanging" })).length, 3);
  }));

test("A service's outage opens no retriever's breaker: the first query after it is answered", () =>
  withRegistry({}, async ({ search, store, retrievers }) => {
    await search({ query: "bird" });
    store.set("searchText", { kind: "fail", code: "unavailable" });
    store.set("searchVector", { kind: "fail", code: "unavailable" });
    for (let i = 0; i < 20; i++) {
      assert.is((await search({ query: `cat ${i}` }).catch((thrown) => thrown)).code, "unavailable");
    }
    assert.equal([retrievers()[0]?.state, retrievers()[0]?.breaker], ["ready", "closed"]);
    store.set("searchText", null);
    store.set("searchVector", null);
    assert.equal(idsOf(await search()).length, 3);
  }));

test("Where nothing is left, callers are told at once as often as they ask, and no retriever is blamed", () =>
  withRegistry({}, async ({ search, fail, retrievers }) => {
    await search({ query: "bird" });
    fail("lexical_index", "embedding");
    for (let i = 0; i < 20; i++) {
      const error = await search({ query: `cat ${i}` }).catch((thrown) => thrown);
      assert.equal([error.code, /embedding \(embed\)/.test(error.message)], ["unavailable", true]);
    }
    assert.equal([retrievers()[0]?.state, retrievers()[0]?.breaker], ["ready", "closed"]);
    fail();
    assert.is(idsOf(await search({ query: "cat 1" })).length, 3);
  }));

test("A hot collection's full mailbox refuses its own callers only", () =>
  withRegistry({}, async ({ search, put, store, clock }) => {
    put("hot");
    await search({ query: "bird" });
    await search({ collection: "hot", query: "bird" });
    let open = (): void => {};
    const until = new Promise<void>((resolve) => {
      open = resolve;
    });
    store.set("searchText", { kind: "wait", until }, "hot");
    const { maxInFlight, mailboxCapacity } = OPTIONS.retrieverLimits;
    const ask = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => watch(search({ collection: "hot", strategy: "bm25", query: `cat ${from + i}` })));
    const queries = ask(0, maxInFlight);
    await clock.flush(); // taken from the mailbox; what follows waits there
    queries.push(...ask(maxInFlight, mailboxCapacity + 5));
    await clock.flush();
    assert.is(queries.filter((one) => outcome(one) === "overloaded").length, 5);
    assert.equal(idsOf(await search()).length, 3);
    open();
    await clock.flush();
    assert.is(queries.filter((one) => outcome(one) === "answered").length, maxInFlight + mailboxCapacity);
  }));

test("A collection whose model this node lacks fails alone, and leaves nothing behind", () =>
  withRegistry({}, async ({ search, put, registry, retrievers }) => {
    put("foreign", {}, { embedding: "nobody's" });
    assert.is((await search({ collection: "foreign" }).catch((thrown) => thrown)).code, "unavailable");
    assert.equal(idsOf(await search()).length, 3);
    assert.is(registry.status().active, 1);
    assert.is(retrievers().length, 1);
  }));

interface Asked {
  readonly query: string;
  readonly tenant: string;
  readonly lang: string | null;
}

test("Whatever is asked, shared, kept and written meanwhile, an answer is its own question's, of a version that was valid when it was asked", async () => {
  const ask = fc.record({
    do: fc.constant("ask" as const),
    query: fc.constantFrom("cat", "dog"),
    tenant: fc.constantFrom("t1", "t2"),
    lang: fc.constantFrom(null, "en", "de"),
  });
  const step = fc.oneof(
    { weight: 6, arbitrary: ask },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("write" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const rig = startRegistry();
      // Every version has one text per language, so that a hit tells which version and language it is of.
      const rowsOf = (version: number) =>
        ["en", "de"].map((lang) => textRow(lang, `cat dog v${version} ${lang}`, { attributes: { lang } }));
      rig.store.rows = rowsOf(1);
      let version = 1;
      const checks: Promise<void>[] = [];
      const check = async ({ query, tenant, lang }: Asked) => {
        const askedAt = version;
        const filter: Filter | null = lang === null ? null : { type: "eq", key: "lang", value: lang };
        const answer = await rig.search({ query, filter }, { scope: { tenant, principals: [tenant] } });
        assert.ok(answer.rest.index_version >= askedAt, "never of an index version older than the question");
        for (const hit of hitsOf(answer)) {
          const shown = Number(/v(\d+)/.exec(hit.text ?? "")?.[1]);
          assert.ok(shown >= askedAt, `text of version ${shown}, asked at ${askedAt}`);
          if (lang !== null) assert.equal(hit.attributes, { lang });
        }
        assert.is(hitsOf(answer).length, lang === null ? 2 : 1);
      };
      try {
        for (const todo of steps) {
          if (todo.do === "ask") checks.push(check(todo));
          else if (todo.do === "settle") await Promise.all(checks);
          else version = await rig.write("docs", rowsOf(version + 1));
        }
        await Promise.all(checks);
      } finally {
        await rig.stop();
      }
    }),
    { numRuns: 40 },
  );
});

test("Two scopes never share an answer, not even while both wait for it", () =>
  withRegistry({}, async ({ search, store }) => {
    await search({ query: "bird" });
    const before = store.count("searchText");
    const scopes = [
      { tenant: "t1", principals: null },
      { tenant: "t1", principals: ["p"] },
      { tenant: "t2", principals: null },
    ];
    await Promise.all(scopes.map((scope) => search({}, { scope })));
    await Promise.all(scopes.map((scope) => search({}, { scope })));
    assert.is(store.count("searchText"), before + 3);
  }));

test.run();
