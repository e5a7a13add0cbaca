import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cacheOf, withRegistry } from "./registry_rig.ts";

const test = suite("freshness");

test("An answer is 0 ms old while the store can be reached, and ages from the store's last sign of life while it cannot", () =>
  withRegistry({}, async ({ search, ready, fail, clock }) => {
    await search();
    await clock.advance(7_000);
    const age = (answer: Awaited<ReturnType<typeof search>> | null) => answer?.rest.freshness.age_ms;
    assert.equal([age(await search()), age(await search({ useCache: false }))], [0, 0]);
    fail("vector_store");
    await clock.advance(4_500);
    const words = await search({ strategy: "bm25", query: "dog" });
    assert.equal([words.rest.mode, age(words)], ["lexical", 4_500]);
    await clock.advance(500);
    const kept = await search({ strategy: "bm25", query: "dog" });
    assert.equal([cacheOf(kept), age(kept)], ["hit", 5_000], "a kept answer is as old as the index that gave it");
    fail();
    assert.equal([age(await search({ strategy: "bm25", query: "bird" })), age(ready())], [0, 0]);
  }));

test.run();
