import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EncodedAnswer } from "../../../../actors/retriever/search.ts";
import { adoptionOf } from "../../vector_store/adoptions.ts";
import { ROWS, startRegistry } from "./registry_rig.ts";

/** Answers of all nodes, by key and index version. */
function sharedMemory() {
  const kept = new Map<string, EncodedAnswer>();
  return {
    kept,
    find: async (key: string, indexVersion: number) => kept.get(`${indexVersion} ${key}`) ?? null,
    keep: (key: string, answer: EncodedAnswer) => void kept.set(`${answer.rest.index_version} ${key}`, answer),
  };
}

test("A collection that shares its answers is answered by what another node has worked out, and no other collection is", async () => {
  const shared = sharedMemory();
  const sharing = { shareAnswers: true };
  const first = startRegistry({}, { shared });
  first.put("docs", {}, sharing);
  first.put("own");
  const made = await first.search({ query: "cat" });
  await first.search({ collection: "own", query: "cat" });
  assert.is(shared.kept.size, 1, "of the collection that says so alone");
  await first.stop();

  const second = startRegistry({}, { shared });
  second.put("docs", {}, sharing);
  const asked = await Promise.all([second.search({ query: "cat" }), second.search({ query: "cat" })]);
  assert.equal(asked.map(({ hits }) => hits), [made.hits, made.hits]); // biome-ignore format: one call
  assert.equal(asked.map(({ rest }) => rest.cache), ["hit", "hit"]); // biome-ignore format: one call
  assert.is(second.store.count("searchText"), 0);
  assert.is((await second.search({ query: "cat" })).rest.cache, "hit", "and it is kept here as well");
  const before = second.store.count("searchText");
  await second.search({ query: "cat" }, { scope: { tenant: "other", principals: null } });
  await second.write("docs", ROWS);
  await second.search({ query: "cat" });
  assert.is(second.store.count("searchText"), before + 2, "another scope and another version are other questions");
  await second.stop();
});

test("What others change and tell nobody of is neither shared nor taken from what was shared", async () => {
  const shared = sharedMemory();
  const rig = startRegistry({}, { shared });
  rig.put("news", { chunks: 0 }, { shareAnswers: true, adopt: adoptionOf({ lexical: "store", textSearch: "sparse" }) });
  await rig.search({ collection: "news", query: "cat" });
  assert.is(shared.kept.size, 0);
  shared.find = () => Promise.reject(new Error("it is not asked"));
  assert.is((await rig.search({ collection: "news", query: "cat" })).rest.cache, "miss");
  await rig.stop();
});

test.run();
