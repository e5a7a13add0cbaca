import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PopularByCollection } from "../../../../actors/retriever/registry/popular_queries.ts";
import type { SearchRequest } from "../../../../actors/retriever/search.ts";
import { OPEN_SCOPE, type Scope } from "../../../../transport/transport.ts";
import { watch } from "../../../support/supervision.ts";
import { searchRequest } from "../search_requests.ts";
import { cacheOf, PopularMemory, type RegistryRig, startRegistry } from "./registry_rig.ts";

const test = suite("replay after a start");
const ADA: Scope = { tenant: "default", principals: ["ada"] };

function asked(request: Partial<SearchRequest>, count: number, scope = OPEN_SCOPE) {
  return { scope, request: searchRequest(request), count };
}

async function afterRestart(kept: PopularByCollection, body: (rig: RegistryRig & { memory: PopularMemory }) => Promise<void>) {
  const memory = new PopularMemory();
  memory.kept = kept;
  const rig = startRegistry({}, { popular: memory });
  rig.recent.push("docs");
  try {
    await body({ ...rig, memory });
  } finally {
    await rig.stop();
  }
}

const TWO = new Map([["docs", [asked({ query: "dog" }, 3), asked({ query: "cat" }, 9)]]]);

test("What was asked most is asked again, the most asked first, and then needs no computation", () =>
  afterRestart(TWO, async ({ registry, clock, search, metrics, model }) => {
    const started = watch(registry.start(new AbortController().signal));
    await clock.flush();
    assert.is(registry.status().replaying, 1, "after the first one comes a rest");
    assert.is(cacheOf(await search({ query: "cat" })), "hit");
    await clock.advance(1_000);
    assert.is(started.result, undefined);
    assert.is(registry.status().replaying, 0);
    assert.is(cacheOf(await search({ query: "dog" })), "hit");
    assert.is(metrics.counts.get("query_replayed"), 2);
    assert.is(metrics.counts.get("answered hit"), 2, "what is asked again is no caller's search");
    assert.is(metrics.counts.get("answered miss"), undefined);
    assert.is(model.calls, 2);
  }));

test("Caches are filled for the scope that asked, and for no other", () =>
  afterRestart(new Map([["docs", [asked({ query: "cat" }, 9, ADA)]]]), async ({ registry, clock, search }) => {
    const started = watch(registry.start(new AbortController().signal));
    await clock.advance(1_000);
    assert.is(started.result, undefined);
    assert.is(cacheOf(await search({ query: "cat" })), "miss");
    assert.is(cacheOf(await search({ query: "cat" }, { scope: { tenant: "other", principals: ["ada"] } })), "miss");
    assert.is(cacheOf(await search({ query: "cat" }, { scope: ADA })), "hit");
  }));

test("While embedding is away it waits, and goes on when it is back", () =>
  afterRestart(TWO, async ({ registry, clock, fail, search, metrics }) => {
    fail("embedding");
    const started = watch(registry.start(new AbortController().signal));
    await clock.advance(12_000);
    assert.is(metrics.counts.get("query_replayed"), undefined);
    assert.is(registry.status().replaying, 2);
    fail();
    await clock.advance(10_000);
    assert.is(started.result, undefined);
    assert.is(cacheOf(await search({ query: "cat" })), "hit");
    assert.is(metrics.counts.get("query_replayed"), 2);
  }));

test("What no longer fits its collection is left out", () =>
  afterRestart(
    new Map([
      ["docs", [asked({ query: "cat", filter: { type: "eq", key: "gone", value: 1 } }, 9), asked({ query: "dog", collection: "old" }, 3)]],
      ["absent", [asked({ query: "cat", collection: "absent" }, 4)]],
    ]),
    async ({ registry, clock, metrics, search }) => {
      const started = watch(registry.start(new AbortController().signal));
      await clock.advance(1_000);
      assert.is(started.result, undefined);
      assert.is(metrics.counts.get("query_replayed"), undefined);
      assert.is(cacheOf(await search({ query: "cat" })), "miss");
    },
  ));

test("A drain ends it at once, and what was asked meanwhile is kept", () =>
  afterRestart(TWO, async ({ registry, clock, search, memory }) => {
    const background = new AbortController();
    const started = watch(registry.start(background.signal));
    await clock.flush();
    for (let at = 0; at < 20; at++) await search({ query: "bird" });
    background.abort(new Error("drain"));
    await registry.drain();
    await clock.flush();
    assert.is(started.result, undefined);
    assert.is(registry.status().replaying, 0);
    const counts = memory.kept.get("docs")?.map(({ request, count }) => `${request.query} ${count}`) ?? [];
    assert.equal([...counts].sort(), ["bird 20", "cat 5", "dog 2"]);
  }));

test.run();
