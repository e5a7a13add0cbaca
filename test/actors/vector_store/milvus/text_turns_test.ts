import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CollectionLayout } from "../../../../actors/vector_store/milvus/collection.ts";
import { createReader, searchText } from "../../../../actors/vector_store/milvus/reads.ts";

const test = suite("turns of text searches");
const OPTIONS = { limit: 3, needed: null, filter: null, notBeforeMs: null } as unknown as Parameters<typeof searchText>[3];
const layoutOf = (name: string): CollectionLayout => ({ name, dimensions: 2, language: "english", attributes: new Map(), hasText: true });
const never = new AbortController().signal;

/** A server that answers when it is told to; a real one answers when it likes. */
function heldServer() {
  const asked: { readonly collection: string; readonly answer: (outcome: "found" | "failed") => void }[] = [];
  const client = {
    search: ({ collection_name: collection }: { readonly collection_name: string }) =>
      new Promise((resolve, reject) => {
        const found = { status: { error_code: "Success", code: 0, reason: "" }, results: [] };
        asked.push({ collection, answer: (outcome) => (outcome === "found" ? resolve(found) : reject(new Error("gone"))) });
      }),
  } as unknown as MilvusClient;
  return { asked, client };
}

const turns = () => new Promise((resolve) => setImmediate(resolve));

test("A collection whose texts are searched more than there are channels leaves the next one to whoever asks once", async () => {
  const { asked, client } = heldServer();
  const reader = createReader(client, 128, 1, 2);
  const hot = Array.from({ length: 10 }, () => searchText(reader, layoutOf("hot"), ["hare"], OPTIONS, never));
  const other = searchText(reader, layoutOf("other"), ["hare"], OPTIONS, never);
  await turns();
  assert.equal(
    asked.map(({ collection }) => collection),
    ["hot", "hot"],
  );
  for (const { answer } of [...asked]) answer("found");
  await turns();
  assert.ok(asked.slice(2).some(({ collection }) => collection === "other"));
  for (let at = 2; at < 11; at++) {
    asked[at]?.answer("found");
    await turns();
  }
  assert.equal(await other, []);
  await Promise.all(hot);
});

test("A search that fails, or whose asker has gone, leaves its place to others", async () => {
  const { asked, client } = heldServer();
  const reader = createReader(client, 128, 1, 1);
  const first = searchText(reader, layoutOf("a"), ["hare"], OPTIONS, never).catch((error: Error) => error.message);
  const leaving = new AbortController();
  const left = searchText(reader, layoutOf("a"), ["hare"], OPTIONS, leaving.signal).catch(() => "left");
  const last = searchText(reader, layoutOf("a"), ["hare"], OPTIONS, never);
  await turns();
  leaving.abort();
  assert.is(await left, "left");
  asked[0]?.answer("failed");
  assert.is(await first, "gone");
  await turns();
  assert.is(asked.length, 2);
  asked[1]?.answer("found");
  assert.equal(await last, []);
});

test.run();
