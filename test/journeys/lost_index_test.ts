import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireError } from "../../bridge/schema/errors.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const ON_THE_STORE = { resident: "never" } as const;

/** Asks until the answer is whole again. On the way there it may be an error or degraded, and never looks like a full one with less in it. */
async function comesBack(caller: Caller, collection: string, whole: readonly string[]): Promise<void> {
  let turn = 0;
  await until(`${collection} is whole again`, async () => {
    const body = { query: `the water ${turn++}`, top_k: 100 };
    const reply = await caller.send<Awaited<ReturnType<Caller["search"]>> & Partial<WireError>>(
      "POST",
      `/v1/collections/${collection}/search`,
      body,
    );
    if (reply.status !== 200) {
      assert.is(reply.body.error?.code, "unavailable", JSON.stringify(reply.body));
      return false;
    }
    const { data, degradations } = reply.body;
    if (degradations.length > 0) return false;
    assert.equal(data.map((hit) => hit.document_id).sort(), [...whole].sort(), "an answer that says it is whole is");
    return true;
  });
}

test("A collection whose files are gone is unavailable at once, others answer in full, and it comes back without them", () =>
  onNode({}, async (rig) => {
    const { caller } = rig;
    for (const name of ["sick", "well"]) {
      await caller.makeCollection(name, ON_THE_STORE);
      await caller.addDocuments(name, [{ id: name, text: "water" }]);
      assert.equal(await caller.found(name, { query: "water" }), [name]);
    }
    await rename(join(rig.dataDir, "vectors", "sick.v1.lance"), join(rig.dataDir, "away"));
    await caller.refused("unavailable", "POST", "/v1/collections/sick/search", { query: "the water" });
    for (const strategy of ["bm25", "vector", "hybrid"]) {
      const { mode, data } = await caller.search("well", { query: `the water ${strategy}`, strategy });
      assert.equal([mode, data[0]?.document_id], ["full", "well"]);
    }
    assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
    await comesBack(caller, "sick", ["sick"]);
    assert.is((await caller.collection("sick")).version, 2);
    assert.is((await caller.collection("well")).version, 1);
  }));

test("A node that has lost its vector store starts, and builds every index anew from the documents", () =>
  onNode({}, async (rig) => {
    const names = ["one", "two", "three"];
    for (const name of names) {
      await rig.caller.makeCollection(name, ON_THE_STORE);
      await rig.caller.addDocuments(name, [
        { id: `${name} a`, text: "water" },
        { id: `${name} b`, text: "deep water" },
      ]);
    }
    await rig.restart(() => rm(join(rig.dataDir, "vectors"), { recursive: true }));
    for (const name of names) await comesBack(rig.caller, name, [`${name} a`, `${name} b`]);
    for (const name of names) assert.is((await rig.caller.collection(name)).version, 2);
    assert.is((await rig.caller.must<{ text: string }>("GET", "/v1/collections/one/documents/one%20a")).text, "water");
  }));

test("Documents that come after the loss do not stand for those that were there", () =>
  onNode({}, async (rig) => {
    const many = Array.from({ length: 60 }, (_, place) => ({ id: `d${place}`, text: `water ${place}` }));
    await rig.caller.makeCollection("lost", ON_THE_STORE);
    await rig.caller.addDocuments("lost", many);
    await rm(join(rig.dataDir, "vectors", "lost.v1.lance"), { recursive: true });
    const added = rig.caller.addDocuments("lost", [{ id: "new", text: "fresh water" }]);
    await comesBack(rig.caller, "lost", [...many.map(({ id }) => id), "new"]);
    assert.is((await added).status, "completed");
    assert.is((await rig.caller.collection("lost")).documents, 61);
  }));

test.run();
