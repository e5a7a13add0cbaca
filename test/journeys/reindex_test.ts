import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const DOCUMENTS = Array.from({ length: 300 }, (_, place) => ({
  id: `d${place}`,
  text: `Number ${place}. The houses stood by the river. ${"Ships went down to the sea. ".repeat(6)}`,
}));
const SMALL = { max_tokens: 16, overlap_tokens: 0, parent_tokens: 32 };
const QUERY = { query: "a house by the river", top_k: 5, strategy: "bm25" };

/** Searches without end until told to stop; every answer must be whole. @returns the index versions seen, in their order */
async function searchAlways(caller: Caller, collection: string, stop: AbortSignal): Promise<number[]> {
  const seen: number[] = [];
  for (let turn = 0; !stop.aborted; turn++) {
    const answer = await caller.search(collection, { query: `a house by the river ${turn}` });
    assert.ok(answer.data.length > 0 && answer.degradations.length === 0, JSON.stringify(answer));
    if (seen.at(-1) !== answer.index_version) seen.push(answer.index_version);
  }
  return seen;
}

for (const resident of ["never", "always"]) {
  test(`A collection (resident: ${resident}) is searched without a gap while its index is built with other settings`, () =>
    onNode({}, async ({ caller }) => {
      await caller.makeCollection("docs", { resident });
      await caller.addDocuments("docs", DOCUMENTS);
      const before = await caller.collection("docs");
      const conflict = await caller.refused("conflict", "PUT", "/v1/collections/docs", { resident, language: "none" });
      assert.match(conflict.message, /POST the new language to \/v1\/collections\/docs\/reindex/);
      assert.ok((await caller.found("docs", QUERY)).length > 0, "stemming finds the plural");

      const stop = new AbortController();
      const searching = searchAlways(caller, "docs", stop.signal);
      const begun = await caller.send<WireJob>("POST", "/v1/collections/docs/reindex", {
        language: "none",
        chunking: SMALL,
        switch: "always",
      });
      assert.equal([begun.status, begun.headers.get("location"), begun.body.kind], [202, `/v1/jobs/${begun.body.id}`, "reindex"]);
      const { versions } = await caller.collection("docs");
      if (versions[0]?.status === "building") {
        assert.equal([versions[0].version, versions[0].language, versions[0].job], [2, "none", begun.body.id]);
        await caller.refused("conflict", "POST", "/v1/collections/docs/reindex");
      }
      await caller.addDocuments("docs", [{ id: "late", text: "A lighthouse keeper came late." }]);
      const job = await caller.jobEnded(begun.body);
      assert.equal([job.status, job.counts.failed], ["completed", 0]);
      stop.abort();
      await searching;

      const after = await caller.collection("docs");
      assert.equal([after.version, after.settings.language, after.settings.chunking], [2, "none", SMALL]);
      assert.equal(after.settings.resident, resident);
      assert.ok(after.chunks > before.chunks && after.documents === 301);
      assert.equal(
        after.versions.map(({ version, status, language }) => [version, status, language]),
        [[1, "kept", "english"]],
      );
      const words = async (query: string) => (await caller.found("docs", { ...QUERY, query })).length;
      assert.equal([await words("house"), (await words("houses")) > 0], [0, true], "no stemming any more");
      assert.equal(await caller.found("docs", { query: "lighthouse keeper", top_k: 1 }), ["late"]);
      const parents = await caller.search("docs", { query: "ships to the sea", strategy: "parent_document" });
      assert.ok(parents.data.length > 0 && parents.degradations.length === 0);
    }));
}

test("An alias on a replaced build keeps it, with the words it was built with, and deleted documents leave it, too", () =>
  onNode({}, async (rig) => {
    const { caller } = rig;
    await caller.makeCollection("docs", { resident: "never" });
    await caller.addDocuments("docs", DOCUMENTS.slice(0, 20));
    await caller.must("PUT", "/v1/aliases/old", { collection: "docs", version: 1 });
    await caller.jobEnded(await caller.must<WireJob>("POST", "/v1/collections/docs/reindex", { language: "none" }));
    assert.equal(await caller.found("docs", { ...QUERY, query: "house" }), []);
    assert.ok((await caller.found("old", { ...QUERY, query: "house" })).length > 0);
    await rig.restart();
    const again = rig.caller;
    assert.ok((await again.found("old", { ...QUERY, query: "house", top_k: 20 })).includes("d3"));
    await again.must("DELETE", "/v1/collections/docs/documents/d3");
    assert.not((await again.found("old", { ...QUERY, query: "house", top_k: 20 })).includes("d3"));
  }));

test("A reindex that is cancelled leaves the collection as it is, and one of nothing, or of nonsense, is told", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("docs");
    await caller.addDocuments("docs", DOCUMENTS);
    const begun = await caller.must<WireJob>("POST", "/v1/collections/docs/reindex", { chunking: SMALL });
    await caller.send("DELETE", `/v1/jobs/${begun.id}`);
    const ended = await caller.jobEnded(begun);
    const { version } = await caller.collection("docs");
    assert.is(version, ended.status === "cancelled" ? 1 : 2);
    assert.ok((await caller.found("docs", QUERY)).length > 0);
    await caller.refused("not_found", "POST", "/v1/collections/none/reindex");
    assert.is((await caller.refused("invalid_request", "POST", "/v1/collections/docs/reindex", { pinned: true })).param, "pinned");
    assert.is((await caller.refused("invalid_request", "POST", "/v1/collections/docs/reindex", { language: "klingon" })).param, "language");
    await caller.makeCollection("empty");
    const empty = await caller.jobEnded(await caller.must<WireJob>("POST", "/v1/collections/empty/reindex"));
    assert.equal([empty.status, empty.counts.total], ["completed", 0]);
    await until("the status tells of no build", async () => !JSON.stringify(await caller.must("GET", "/v1/status")).includes('"job":'));
  }));

test.run();
