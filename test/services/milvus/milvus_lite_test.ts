import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import { chunkRow, unitVector } from "../../actors/vector_store/chunk_rows.ts";
import { vectorStoreContract } from "../../actors/vector_store/vector_store_contract.ts";
import { milvusFaultTests, milvusOwnTests } from "./own_tests.ts";
import { connectTo, DEVIATIONS, startServer } from "./stores.ts";

let server: MilvusServer;

vectorStoreContract("Milvus Lite 3.2.2", {
  open: async () => {
    server = await startServer("milvus_lite");
    return connectTo(server.address);
  },
  close: (store) => store.close(),
  skip: DEVIATIONS.milvusLite,
  propertyRuns: 6,
});

const own = suite("Milvus Lite's own");
own.after(() => server.stop());

own("Compared one by one, all of many equal vectors are found while an index is optimized", async () => {
  const never = new AbortController().signal;
  const store = await connectTo(server.address, { indexType: "FLAT" });
  const index = { collection: "Flat", version: 1 };
  await store.createIndex(index, { dimensions: 4, language: "english", attributes: {} }, never);
  const ids = Array.from({ length: 40 }, (_, place) => `d${place}`);
  await store.replaceDocuments(index, ids, ids.map((id) => chunkRow(id, 0)), never); // biome-ignore format: one call
  await store.replaceDocuments(index, ["d0", "d1"], [], never);
  const optimized = store.optimize(index, never);
  const search = () =>
    store.searchVector(index, unitVector(1, 0, 0, 0), { limit: 100, needed: null, filter: null, notBeforeMs: null }, never);
  for (const found of await Promise.all(Array.from({ length: 10 }, search))) assert.is(found.length, 38);
  await optimized;
  assert.is((await search()).length, 38);
  await store.close();
});

milvusOwnTests(own, { server: () => server, hasText: true });
milvusFaultTests(own, { server: () => server, hasText: true });
own.run();
