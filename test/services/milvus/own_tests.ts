import { MilvusClient } from "@zilliz/milvus2-sdk-node";
import * as fc from "fast-check";
import type { suite } from "uvu";
import * as assert from "uvu/assert";
import { matches } from "../../../actors/vector_store/filter.ts";
import { collectionName } from "../../../actors/vector_store/milvus/collection.ts";
import type { MilvusStore } from "../../../actors/vector_store/milvus.ts";
import type { IndexName, SearchOptions } from "../../../actors/vector_store/vector_store.ts";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { anyAttributes, anyFilter, chunkRow, HOSTILE_STRINGS, PROPERTY_SCHEMA, unitVector } from "../../actors/vector_store/chunk_rows.ts";
import { rejects } from "../../actors/vector_store/vector_store_contract.ts";
import { connectTo } from "./stores.ts";

type Suite = ReturnType<typeof suite>;

const never = new AbortController().signal;
const ALL: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };
const NORTH = unitVector(1, 0, 0, 0);
const SCHEMA = { dimensions: 4, language: "english", attributes: { lang: "string" } } as const;

export interface OwnTests {
  readonly server: () => MilvusServer;
  readonly hasText: boolean;
}

/** What Milvus does beside the contract, and where it deviates. One server serves all. */
export function milvusOwnTests(own: Suite, { server, hasText }: OwnTests): void {
  const on = (name: string, work: (store: MilvusStore, index: IndexName) => Promise<void>) =>
    own(name, async () => {
      const store = await connectTo(server().address);
      const index = { collection: `Own_${name.replaceAll(/[^A-Za-z]/g, "-").slice(0, 40)}`, version: 1 };
      try {
        await work(store, index);
      } finally {
        await store.close();
      }
    });

  on("Hostile ids and values touch exactly the rows that they name, on search and on delete", async (store, index) => {
    const strings = fc.sample(fc.string({ unit: "binary", maxLength: 8 }), { numRuns: 20, seed: 7 }).map((text) => text.toWellFormed());
    const hostile = [...new Set([...HOSTILE_STRINGS.map((text) => text.toWellFormed()), ...strings])];
    const [present, absent] = [hostile.filter((_, place) => place % 2 === 0), hostile.filter((_, place) => place % 2 === 1)];
    await store.createIndex(index, SCHEMA, never);
    const rows = present.map((text) => chunkRow(text, 0, { attributes: { lang: text } }));
    await store.replaceDocuments(index, present, rows, never);
    for (const text of hostile) {
      const expected = present.includes(text) ? 1 : 0;
      for (const [type, value, count] of [
        ["eq", text, expected],
        ["in", [text, `${text}"]`], expected],
        ["ne", text, present.length - expected],
      ] as const) {
        const found = await store.searchVector(index, NORTH, { ...ALL, filter: { type, key: "lang", value } }, never);
        assert.is(found.length, count, `${type} ${JSON.stringify(text)}`);
      }
      assert.is((await store.fetchChunks(index, [`${text}#0`], never)).length, expected, JSON.stringify(text));
    }
    await store.replaceDocuments(index, absent, [], never);
    assert.is(await store.countRows(index, never), present.length, "deleting what is not there took something");
    let left = present.length;
    for (const text of present.slice(0, 8)) {
      await store.replaceDocuments(index, [text], [], never);
      assert.is(await store.countRows(index, never), --left, `deleting ${JSON.stringify(text)}`);
    }
    await store.replaceDocuments(index, present.slice(8), [], never);
    assert.is(await store.countRows(index, never), 0);
  });

  on("An index has the kind of vector index that it asks for, and is searched by it", async (store, index) => {
    const client = new MilvusClient({ address: server().address, telemetry: { enabled: false }, logLevel: "error" });
    try {
      await client.connectPromise;
      for (const [version, vectorIndex, expected] of [
        [1, undefined, "HNSW"],
        [2, "flat", "FLAT"],
        [3, "hnsw", "HNSW"],
      ] as const) {
        const one = { ...index, version };
        await store.createIndex(one, { ...SCHEMA, ...(vectorIndex === undefined ? {} : { vectorIndex }) }, never);
        await store.replaceDocuments(one, ["a"], [chunkRow("a", 0, {})], never);
        assert.is((await store.searchVector(one, NORTH, ALL, never)).length, 1);
        const { index_descriptions } = await client.describeIndex({ collection_name: collectionName(one), field_name: "vector" });
        assert.is(index_descriptions[0]?.params.find(({ key }) => key === "index_type")?.value, expected);
      }
    } finally {
      await client.closeConnection();
    }
  });

  on("A hundred filters give what the reference evaluator gives", async (store, index) => {
    await store.createIndex(index, { ...SCHEMA, attributes: PROPERTY_SCHEMA }, never);
    const rows = fc.sample(anyAttributes, { numRuns: 40, seed: 3 }).map((attributes, place) => chunkRow(`d${place}`, 0, { attributes }));
    await store.replaceDocuments(index, rows.map((row) => row.documentId), rows, never); // biome-ignore format: one call
    for (const filter of fc.sample(anyFilter, { numRuns: 100, seed: 5 })) {
      const expected = rows.filter((row) => matches(filter, row.attributes)).map(({ id }) => id).sort(); // biome-ignore format: one thought
      const found = await store.searchVector(index, NORTH, { ...ALL, filter }, never);
      assert.equal(found.map(({ id }) => id).sort(), expected, JSON.stringify(filter));
    }
  });

  on("A scan gives every row once that is there all the time, whatever is written meanwhile", async (store, index) => {
    await store.createIndex(index, SCHEMA, never);
    const ids = Array.from({ length: 12 }, (_, place) => `d${String(place).padStart(2, "0")}`);
    await store.replaceDocuments(index, ids, ids.map((id) => chunkRow(id, 0)), never); // biome-ignore format: one call
    const seen: string[] = [];
    for await (const page of store.scan(index, 5, never)) {
      if (seen.length === 0) await store.replaceDocuments(index, ["d00", "d11"], [chunkRow("d99", 0)].slice(1), never);
      seen.push(...page.map(({ documentId }) => documentId));
    }
    for (const id of ids.slice(1, -1)) assert.is(seen.filter((each) => each === id).length, 1, id);
  });

  on("The server's version says whether it ranks texts, and only then has a collection a sparse field", async (store, index) => {
    await store.createIndex(index, SCHEMA, never);
    assert.is(store.capabilities.hasText, hasText);
    assert.equal(await store.describe(index, never), { schema: SCHEMA, hasText });
    assert.is((await fieldTypes(server().address, collectionName(index))).includes("SparseFloatVector"), hasText);
    if (hasText) {
      await store.replaceDocuments(index, ["a"], [chunkRow("a", 0, { indexText: "running dogs" })], never);
      const [hit] = await store.searchText(index, "dog", ALL, never);
      assert.ok((hit?.score ?? 0) > 0, "a score of BM25 is above 0");
    } else {
      const error = await rejects(store.searchText(index, "dog", ALL, never), "unavailable");
      assert.match(String(error.cause), "has no BM25");
    }
  });

  on("An alias names the version in service, and the next one when that is dropped", async (store) => {
    const [first, second] = [1, 2].map((version) => ({ collection: "Alias-1", version })) as [IndexName, IndexName];
    await store.createIndex(first, SCHEMA, never);
    await store.replaceDocuments(first, ["a"], [chunkRow("a", 0)], never);
    await store.createIndex(second, SCHEMA, never);
    await store.replaceDocuments(second, ["a"], [chunkRow("a", 0), chunkRow("a", 1)], never);
    assert.is(await rowsOf(server().address, "kennel_Alias_h1"), 1);
    await store.dropIndex(first, never);
    assert.is(await rowsOf(server().address, "kennel_Alias_h1"), 2);
    await store.dropIndex(second, never);
    assert.is(await rowsOf(server().address, "kennel_Alias_h1"), null);
  });

  own("Requests beyond the pool wait in it, and it says so", async () => {
    const pool = { min: 1, max: 2, maxWaiting: 100, acquireTimeoutMs: 5_000 };
    const store = await connectTo(server().address, { pool });
    const index = { collection: "Pool", version: 1 };
    await store.createIndex(index, SCHEMA, never);
    await store.replaceDocuments(index, ["a"], [chunkRow("a", 0)], never);
    const reads = Array.from({ length: 20 }, () => store.fetchChunks(index, ["a#0"], never)); // searches would share calls
    let mostWaiting = 0;
    for (const read of reads) {
      const { size, inUse, waiting, max } = store.pool;
      assert.ok(size <= max && inUse <= 2);
      mostWaiting = Math.max(mostWaiting, waiting);
      assert.is((await read).length, 1);
    }
    assert.ok(mostWaiting > 0);
    assert.is(store.pool.inUse, 0);
    await store.close();
  });
}

/** The server killed, paused, and down at the start. Run last: it leaves the server running, with new processes. */
export function milvusFaultTests(own: Suite, { server }: OwnTests): void {
  const index = { collection: "Faults", version: 1 };
  const search = (store: MilvusStore, signal: AbortSignal) => store.searchVector(index, NORTH, ALL, signal);

  own("Killed in mid-query it fails every search at once, and the same client finds everything after the restart", async () => {
    const store = await connectTo(server().address);
    await store.createIndex(index, SCHEMA, never);
    const ids = Array.from({ length: 50 }, (_, place) => `d${place}`);
    await store.replaceDocuments(index, ids, ids.map((id) => chunkRow(id, 0)), never); // biome-ignore format: one call
    const searches = Array.from({ length: 16 }, () => search(store, never).then(() => "found", (error) => error.code)); // biome-ignore format: one call
    server().kill("SIGKILL");
    for (const outcome of await Promise.all(searches)) assert.ok(["found", "unavailable"].includes(outcome), outcome);
    await rejects(search(store, never), "unavailable");
    await rejects(connectTo(server().address), "unavailable");
    await rejects(store.probe(never), "unavailable");
    await server().restart();
    await untilFound(() => search(store, never));
    assert.is(await store.countRows(index, never), 50, "nothing is lost");
    await store.probe(never);
    await store.close();
  });

  own("While it is paused a call ends at its deadline, with the server still silent", async () => {
    const store = await connectTo(server().address);
    await untilFound(() => search(store, never));
    server().kill("SIGSTOP");
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => search(store, AbortSignal.timeout(300)).then(() => "found", (error) => error.code)), // biome-ignore format: one call
    );
    server().kill("SIGCONT"); // later than all of them
    assert.equal([...new Set(outcomes)], ["cancelled"]);
    await untilFound(() => search(store, never));
    await store.close();
  });

  own("Of several addresses the first that answers is used", async () => {
    const nobody = { address: "127.0.0.1:9", isTls: false, username: "", password: "" };
    const addresses = [nobody, { ...nobody, address: server().address }];
    const store = await connectTo(server().address, { addresses });
    assert.is(store.address, server().address);
    await store.close();
  });
}

/** A server that has come back answers with refusals until its collections are in memory. */
async function untilFound(search: () => Promise<readonly unknown[]>): Promise<void> {
  let last: unknown;
  for (const deadlineMs = performance.now() + 60_000; performance.now() < deadlineMs; ) {
    try {
      if ((await search()).length > 0) return;
      last = new Error("it found nothing");
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw last;
}

async function ask<Answer>(address: string, question: (client: MilvusClient) => Promise<Answer>): Promise<Answer> {
  const client = new MilvusClient({ address, telemetry: { enabled: false }, logLevel: "error" });
  await client.connectPromise;
  try {
    return await question(client);
  } finally {
    await client.closeConnection();
  }
}

async function fieldTypes(address: string, name: string): Promise<readonly string[]> {
  const { schema } = await ask(address, (client) => client.describeCollection({ collection_name: name }));
  return schema.fields.map(({ data_type }) => data_type);
}

/** Null: there is no collection of this name or alias. */
function rowsOf(address: string, name: string): Promise<number | null> {
  return ask(address, async (client) => {
    const { status, data } = await client.query({ collection_name: name, filter: 'id >= ""', output_fields: ["count(*)"] });
    return status.error_code === "Success" ? Number(data[0]?.["count(*)"]) : null;
  });
}
