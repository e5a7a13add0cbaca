import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { onNode } from "./node_rig.ts";

const ON_THE_STORE = { resident: "never" } as const;

test("A collection whose files are gone is unavailable at once, others answer in full, and it comes back with its files", () =>
  onNode({}, async (rig) => {
    const { caller } = rig;
    for (const name of ["sick", "well"]) {
      await caller.makeCollection(name, ON_THE_STORE);
      await caller.addDocuments(name, [{ id: name, text: "water" }]);
      assert.equal(await caller.found(name, { query: "water" }), [name]);
    }
    const files = join(rig.dataDir, "vectors", "sick.v1.lance");
    const away = join(rig.dataDir, "away");
    await rename(files, away);
    for (const strategy of ["bm25", "vector", "hybrid"]) {
      await caller.refused("unavailable", "POST", "/v1/collections/sick/search", { query: `the water ${strategy}`, strategy });
      const { mode, data } = await caller.search("well", { query: `the water ${strategy}`, strategy });
      assert.equal([mode, data[0]?.document_id], ["full", "well"]);
    }
    assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
    await rename(away, files);
    assert.equal(await caller.found("sick", { query: "water once more" }), ["sick"]);
  }));

test("A node that has lost its vector store starts, and says unavailable where a collection has documents but no index", () =>
  onNode({}, async (rig) => {
    await rig.caller.makeCollection("lost", ON_THE_STORE);
    await rig.caller.addDocuments("lost", [{ id: "one", text: "water" }]);
    await rig.restart(() => rm(join(rig.dataDir, "vectors"), { recursive: true }));
    await rig.caller.refused("unavailable", "POST", "/v1/collections/lost/search", { query: "water" });
    assert.is((await rig.caller.must<{ text: string }>("GET", "/v1/collections/lost/documents/one")).text, "water");
  }));

test.run();
