import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AcrossAnswer } from "../../actors/retriever/across/across.ts";
import { runCommand } from "../bridge/cli/command_run.ts";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const test = suite("one question to several collections");
const CATS = [
  { id: "manx", text: "The Manx is a cat without a tail.", attributes: { year: 1810 } },
  { id: "siamese", text: "The Siamese is a cat with blue eyes.", attributes: { year: 1870 } },
];
const DOGS = [
  { id: "beagle", text: "The beagle is a hound with a white tail.", attributes: { year: 1890 } },
  { id: "manx", text: "A manx loaghtan is a sheep.", attributes: { year: 1900 } },
];

async function load(caller: Caller): Promise<void> {
  await caller.makeCollection("cats", { resident: "always" });
  await caller.addDocuments("cats", CATS);
  await caller.makeCollection("dogs", { resident: "never" });
  await caller.addDocuments("dogs", DOGS);
}

test("The best of all come first with their collections, filtered, by every plain strategy, over the API and the command line", () =>
  onNode({}, async ({ node, caller }) => {
    await load(caller);
    const ask = (body: object) =>
      caller.must<AcrossAnswer>("POST", "/v1/search", { collections: ["dogs", "cats"], query: "cat without a tail", ...body });
    for (const strategy of ["hybrid", "vector", "bm25", "parent_document"]) {
      const { data, mode, degradations, collections } = await ask({ strategy });
      assert.equal([data[0]?.collection, data[0]?.id, mode, degradations], ["cats", "manx#0", "full", []], strategy);
      assert.ok(data.some(({ collection }) => collection === "dogs"));
      assert.equal(
        collections.map(({ collection }) => collection),
        ["dogs", "cats"],
      );
    }
    const filtered = await ask({ filters: { type: "gte", key: "year", value: 1870 }, include: ["text"], top_k: 2 });
    assert.equal(
      [filtered.data.length, filtered.data.some(({ document_id: id, collection }) => id === "manx" && collection === "cats")],
      [2, false],
    );
    assert.equal(Object.keys(filtered.data[0] ?? {}).includes("scores"), false);
    const run = await runCommand(["search", "dogs,cats", "cat without a tail"], { environment: { KENNEL_URL: node.url } });
    assert.match(run.out, /cats\/manx/);
    assert.match(run.err, /of 2 collections/);
  }));

test("What is wrong is refused by its field", () =>
  onNode({}, async ({ caller }) => {
    await load(caller);
    const refused = async (code: string, body: object) =>
      (await caller.refused(code, "POST", "/v1/search", { query: "cat", ...body })).param;
    assert.is(await refused("not_found", { collections: ["cats", "birds"] }), "collections[1]");
    assert.is(await refused("invalid_request", { collections: ["cats", "cats"] }), "collections[1]");
    assert.is(await refused("invalid_request", { collections: [] }), "collections");
    assert.is(await refused("invalid_request", {}), "collections");
    assert.is(await refused("invalid_request", { collections: ["cats"], strategy: "hyde" }), "strategy");
    assert.is(await refused("invalid_request", { collections: ["cats"], rerank: true }), "rerank");
    assert.is(await refused("invalid_request", { collections: ["cats"], query: " " }), "query");
  }));

test.run();
