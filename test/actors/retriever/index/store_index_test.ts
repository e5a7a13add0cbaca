import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ByteCache } from "../../../../actors/retriever/index/byte_cache.ts";
import { readyPassage } from "../../../../actors/retriever/index/passage.ts";
import { StoreIndex, type StoreIndexOptions } from "../../../../actors/retriever/index/store_index.ts";
import type { StoredChunk } from "../../../../actors/vector_store/vector_store.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { HOSTILE_STRINGS } from "../../vector_store/chunk_rows.ts";
import { FaultyStore, textRow } from "../faulty_store.ts";

const test = suite("store index");
const never = new AbortController().signal;
const ALL = { limit: 10, needed: null, filter: null, notBeforeMs: null };

const PARTS = { name: { collection: "docs", version: 1 }, dimensions: 4, indexVersion: 1 };

function openIndex(store: FaultyStore, maxPassageBytes = 100_000): StoreIndex {
  return new StoreIndex({ ...PARTS, store, lexical: store, maxPassageBytes });
}

const textOf = (passage: { readonly bytes: Uint8Array } | null | undefined): string =>
  passage ? (JSON.parse(`${new TextDecoder().decode(passage.bytes)}}`) as { text: string }).text : "gone";

test("StoreIndex fetches the passages it lacks and no others", async () => {
  const store = new FaultyStore([textRow("a", "cat"), textRow("b", "cat dog")]);
  const index = openIndex(store);
  const [a, b] = await index.searchText("cat dog", ALL, never).then((found) => [...found].sort((x, y) => (x.id < y.id ? -1 : 1)));
  assert.ok(a && b);
  await index.passages([a], never);
  const both = await index.passages([b, a], never);
  assert.equal(both.map(textOf), ["cat dog", "cat"]);
  assert.is(store.count("fetchChunks"), 2);
  assert.ok(!(index.passages([a, b], never) instanceof Promise), "what is ready is there at once");
});

test("StoreIndex fetches no passage that came with the search", async () => {
  const rows = new FaultyStore([textRow("a", "cat"), textRow("b", "dog")]);
  let isFetching = false;
  const store: StoreIndexOptions["store"] = {
    searchVector: async (...call) => {
      const found = await rows.searchVector(...call);
      const chunks = await rows.fetchChunks(call[0], found.map(({ id }) => id), never); // biome-ignore format: one call
      return found.map((candidate) => ({ ...candidate, chunk: chunks.find(({ id }) => id === candidate.id) as StoredChunk }));
    },
    fetchChunks: async () => {
      isFetching = true;
      return [];
    },
  };
  const index = new StoreIndex({ ...PARTS, store, lexical: rows, maxPassageBytes: 100_000 });
  const found = await index.searchVector(Float32Array.of(1, 1, 1, 1), { ...ALL, needed: 2 }, never);
  assert.is(found.length, 2);
  const passages = await index.passages(found, never);
  assert.equal(passages.map(textOf).sort(), ["cat", "dog"]);
  assert.not(isFetching);
});

test("StoreIndex keeps passages that others change for the time it is told, whatever the index version", async () => {
  const store = new FaultyStore([textRow("a", "cat")]);
  const clock = manualClock();
  const index = new StoreIndex({ ...PARTS, store, lexical: store, maxPassageBytes: 100_000, passagesOfOthers: { maxAgeMs: 1_000, clock } });
  await clock.advance(5_000);
  const found = await index.searchText("cat", ALL, never);
  const text = async () => textOf((await index.passages(found, never))[0]);
  assert.is(await text(), "cat");
  store.rows = [textRow("a", "cat dog")];
  await clock.advance(999);
  assert.is(await text(), "cat");
  await clock.advance(1);
  assert.is(await text(), "cat dog");
});

test("StoreIndex shows the text of the new index version after a refresh, though the old one was kept", async () => {
  const store = new FaultyStore([textRow("a", "cat")]);
  const index = openIndex(store);
  const found = await index.searchText("cat", ALL, never);
  await index.passages(found, never);
  store.rows = [textRow("a", "cat and dog")];
  index.refresh(2);
  assert.is(index.indexVersion, 2);
  assert.equal((await index.passages(found, never)).map(textOf), ["cat and dog"]);
});

test("StoreIndex does not keep a passage whose fetch began before a refresh and ended after it", async () => {
  const store = new FaultyStore([textRow("a", "cat")]);
  const index = openIndex(store);
  const found = await index.searchText("cat", ALL, never);
  let open = (): void => {};
  store.set("fetchChunks", {
    kind: "wait",
    until: new Promise<void>((resolve) => {
      open = resolve;
    }),
  });
  const early = index.passages(found, never);
  index.refresh(2);
  open();
  await early;
  store.set("fetchChunks", null);
  store.rows = [textRow("a", "cat and dog")];
  assert.equal((await index.passages(found, never)).map(textOf), ["cat and dog"]);
});

test("StoreIndex says that a chunk has gone instead of making one up", async () => {
  const store = new FaultyStore([textRow("a", "cat")]);
  const index = openIndex(store);
  const found = await index.searchText("cat", ALL, never);
  store.rows = [];
  assert.equal(await index.passages(found, never), [null]);
});

test("StoreIndex shows no passage that was given to others since it was found, kept or not", async () => {
  const row = textRow("a", "cat");
  const store = new FaultyStore([row]);
  const index = openIndex(store);
  const found = await index.searchText("cat", ALL, never);
  const ann = { type: "visible", principals: ["user:ann"], isOpen: true } as const;
  store.rows = [{ ...row, text: "cat that is bob's", principals: ["user:bob"] }];
  assert.equal(await index.passages(found, never, ann), [null]);
  const bob = { ...ann, principals: ["user:bob"] };
  assert.equal((await index.passages(found, never, bob)).map(textOf), ["cat that is bob's"]);
  assert.equal(await index.passages(found, never, ann), [null], "what is kept now is bob's");
  assert.equal((await index.passages(found, never)).map(textOf), ["cat that is bob's"]);
});

test("StoreIndex goes back to no older index version", () => {
  const index = openIndex(new FaultyStore());
  index.refresh(5);
  index.refresh(3);
  assert.is(index.indexVersion, 5);
});

test("A passage's JSON is a chunk's fields for any text, its parts where they are said to be", () => {
  const anyText = fc.oneof(fc.constantFrom(...HOSTILE_STRINGS), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(anyText, anyText, anyText, fc.option(anyText), (id, title, text, parentId) => {
      const chunk = textRow(id, text, { title, parentId, attributes: { lang: title, year: 2024, open: true } });
      const { bytes, textAt, attributesAt } = readyPassage(chunk);
      const json = (part: Uint8Array) => JSON.parse(`{"x":0${new TextDecoder().decode(part)}}`) as Record<string, unknown>;
      // What JSON can't hold of a lone surrogate is escaped, so that it comes back as it was.
      assert.equal(json(bytes.subarray(textAt, attributesAt)), { x: 0, text });
      assert.equal(json(bytes.subarray(attributesAt)), { x: 0, attributes: chunk.attributes });
      const head = JSON.parse(`${new TextDecoder().decode(bytes.subarray(0, textAt))}}`);
      assert.equal(head, { id: chunk.id, document_id: id, parent_id: parentId, title, url: chunk.url });
    }),
  );
});

test("ByteCache stays within its bytes and gives back what it was given", () => {
  const cache = new ByteCache<Uint8Array>(10_000, (value) => value.length);
  for (let i = 0; i < 100; i++) {
    cache.put(`k${i}`, new Uint8Array(500), cache.generation);
    assert.ok(cache.bytes <= 10_000);
  }
  assert.is(cache.get("k99")?.length, 500);
  assert.is(cache.get("k0"), undefined);
  const off = new ByteCache<Uint8Array>(0, (value) => value.length);
  off.put("k", new Uint8Array(1), off.generation);
  assert.is(off.get("k"), undefined);
});

test.run();
