import { test } from "uvu";
import * as assert from "uvu/assert";
import { onNode } from "./node_rig.ts";

const PETS = [
  { id: "manx", text: "A cat without a tail." },
  { id: "beagle", text: "A dog with a fine nose." },
];

interface Status {
  readonly mode: string;
  readonly forced_mode: string | null;
  readonly mode_changes: readonly { readonly before: string; readonly mode: string; readonly is_forced: boolean }[];
}

test("An operator's mode holds for every answer until it is taken back, and answers say what it leaves out", async () => {
  await onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets");
    await caller.addDocuments("pets", PETS);
    const missing = async (query: string) => {
      const { mode, degradations, data } = await caller.search("pets", { query });
      return [mode, data[0]?.score_type, degradations.map(({ stage, reason }) => `${stage} ${reason}`)];
    };
    assert.equal(await missing("cat"), ["full", "weighted", []]);
    assert.equal(await caller.must("PUT", "/v1/mode", { mode: "lexical" }), { object: "mode", mode: "lexical", forced_mode: "lexical" });
    assert.equal(await missing("cat"), ["lexical", "bm25", ["vector forced", "embed forced"]]);
    await caller.refused("degraded", "POST", "/v1/collections/pets/search", { query: "cat", allow_degraded: false });
    await caller.must("PUT", "/v1/mode", { mode: "basic" });
    assert.equal(await missing("cat"), ["basic", "cosine", ["bm25 forced"]]);
    await caller.must("PUT", "/v1/mode", { mode: "stale" });
    const { mode, freshness } = await caller.search("pets", { query: "cat" });
    assert.is(mode, "stale", "what was answered in full is given again");
    assert.type(freshness.age_ms, "number");
    await caller.refused("unavailable", "POST", "/v1/collections/pets/search", { query: "never asked before" });
    await caller.must("PUT", "/v1/mode", { mode: "down" });
    await caller.refused("unavailable", "POST", "/v1/collections/pets/search", { query: "cat" });
    assert.equal(await caller.must("PUT", "/v1/mode", { mode: null }), { object: "mode", mode: "full", forced_mode: null });
    assert.equal(await missing("cat"), ["full", "weighted", []]);
    const status = await caller.must<Status>("GET", "/v1/status");
    assert.equal([status.mode, status.forced_mode], ["full", null]);
    assert.equal(
      status.mode_changes.map(({ before, mode: entered, is_forced }) => [before, entered, is_forced]),
      [
        ["full", "lexical", true],
        ["lexical", "basic", true],
        ["basic", "stale", true],
        ["stale", "down", true],
        ["down", "full", false],
      ],
    );
    const metrics = await fetch(`${caller.url}/metrics`);
    assert.match(await metrics.text(), 'kennel_mode_changes_total{mode="stale"} 1');
    await caller.refused("invalid_request", "PUT", "/v1/mode", { mode: "fast" });
    await caller.refused("invalid_request", "PUT", "/v1/mode", {});
  });
});

test.run();
