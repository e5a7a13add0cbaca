/** A new build of a collection is compared with the one before, switched to or held, and one call leads back. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireCollection } from "../../bridge/schema/collections.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const DOCUMENTS = [
  { id: "river", text: "The houses stood by the river." },
  { id: "ships", text: "Ships went down to the sea." },
  { id: "birds", text: "Birds sang in the old trees." },
];
/** Without stemming it finds nothing. */
const HOUSE = { query: "house", strategy: "bm25" };
const JUDGED = { queries: [{ query: "house", relevant: { river: 1 } }], strategy: "bm25" };
const PATH = "/v1/collections/docs";

async function reindexed(caller: Caller, body: object): Promise<WireJob> {
  return caller.jobEnded(await caller.must<WireJob>("POST", `${PATH}/reindex`, body));
}

const builds = ({ version, versions }: WireCollection) => [version, ...versions.map((each) => `${each.version} ${each.status}`)];

for (const resident of ["never", "always"]) {
  test(`A build that answers judged questions worse is held, and one call leads to it and back (resident: ${resident})`, () =>
    onNode({}, async (rig) => {
      await rig.caller.makeCollection("docs", { resident });
      await rig.caller.addDocuments("docs", DOCUMENTS);
      const job = await reindexed(rig.caller, { language: "none", compare: JUDGED, keep_seconds: null });
      assert.equal([job.status, job.outcome?.decision, job.outcome?.reason], ["completed", "held", "worse"]);
      assert.equal(job.outcome?.comparison?.ndcg_10, { before: 1, after: 0, difference: { mean: -1, low: -1, high: -1 } });
      const held = await rig.caller.collection("docs");
      assert.equal(builds(held), [1, "2 held"]);
      assert.equal([held.versions[0]?.job, held.versions[0]?.kept_until], [job.id, null]);
      assert.equal(await rig.caller.found("docs", HOUSE), ["river"]);

      await rig.caller.addDocuments("docs", [{ id: "both", text: "A house that both builds know, and houses." }]);
      await rig.restart();
      const { caller } = rig;
      assert.equal(builds(await caller.collection("docs")), [1, "2 held"]);
      const switched = await caller.must<WireCollection>("POST", `${PATH}/switch`);
      assert.equal([...builds(switched), switched.settings.language], [2, "1 kept", "none"]);
      assert.equal(await caller.found("docs", HOUSE), ["both"], "what came meanwhile is there, what needs stemming is not");
      await caller.addDocuments("docs", [{ id: "later", text: "Later there were more houses." }]);
      await caller.must("DELETE", `${PATH}/documents/ships`);
      const back = await caller.must<WireCollection>("POST", `${PATH}/switch`, { version: 1 });
      assert.equal([...builds(back), back.settings.language, back.documents], [1, "2 kept", "english", 4]);
      assert.equal((await caller.found("docs", HOUSE)).sort(), ["both", "later", "river"]);
      assert.equal(await caller.found("docs", { query: "ships", strategy: "bm25" }), []);
      assert.equal(builds(await caller.must("POST", `${PATH}/switch`, { version: 1 })), [1, "2 kept"], "it is the one");

      await caller.must("DELETE", `${PATH}/versions/2`);
      assert.equal(builds(await caller.collection("docs")), [1]);
      await caller.refused("conflict", "POST", `${PATH}/switch`);
    }));
}

for (const resident of ["never", "always"]) {
  test(`No search fails or lacks a part while its collection is switched there and back again (resident: ${resident})`, () =>
    onNode({}, async ({ caller }) => {
      await caller.makeCollection("docs", { resident });
      await caller.addDocuments("docs", DOCUMENTS);
      await reindexed(caller, { language: "none", switch: "manual" });
      let isSwitching = true;
      const searched = Array.from({ length: 4 }, async (_, asker) => {
        const languages = new Set<boolean>();
        for (let turn = 0; isSwitching; turn++) {
          const { data, degradations } = await caller.search("docs", { query: `river q${asker}t${turn}`, strategy: "bm25" });
          assert.equal([data[0]?.document_id, degradations], ["river", []]);
          languages.add((await caller.found("docs", HOUSE)).length > 0);
        }
        return languages.size;
      });
      for (const version of [2, 1, 2, 1]) {
        assert.is((await caller.must<WireCollection>("POST", `${PATH}/switch`)).version, version);
        const late = { id: `late${version}`, text: `A late text for version ${version}.` };
        await caller.addDocuments("docs", [late]);
        assert.ok((await caller.found("docs", { query: "late text", strategy: "bm25" })).includes(late.id));
      }
      isSwitching = false;
      assert.ok(
        (await Promise.all(searched)).some((builds) => builds === 2),
        "both builds were searched",
      );
    }));
}

test("A build that answers what was asked of late alike is switched to by itself, and the one before is kept", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("docs");
    await caller.addDocuments("docs", DOCUMENTS);
    for (const query of ["river houses", "ships at sea", "old trees"]) await caller.search("docs", { query });
    const job = await reindexed(caller, { chunking: { max_tokens: 16, overlap_tokens: 0, parent_tokens: 0 } });
    const { decision, reason, comparison } = job.outcome ?? {};
    assert.equal([decision, reason, comparison?.basis, comparison?.queries], ["switched", "not_worse", "recent", 3]);
    assert.equal([comparison?.overlap_10, comparison?.rank_biased_overlap, comparison?.ndcg_10], [1, 1, null]);
    const after = await caller.collection("docs");
    assert.equal(builds(after), [2, "1 kept"]);
    assert.ok(Date.parse(after.versions[0]?.kept_until ?? "") > Date.now());
    assert.equal(builds(await caller.must("POST", `${PATH}/switch`, { keep_seconds: 0 })), [1, "2 retired"]);
  }));

test("Little in common holds a build back; a smaller share may be enough, and what was asked is not kept where that is off", () =>
  onNode({}, async (rig) => {
    await rig.caller.makeCollection("docs");
    await rig.caller.addDocuments("docs", DOCUMENTS);
    await rig.caller.search("docs", HOUSE);
    const held = await reindexed(rig.caller, { language: "none" });
    assert.equal([held.outcome?.reason, held.outcome?.comparison?.emptied], ["worse", 1]);
    await rig.caller.must("DELETE", `${PATH}/versions/2`);
    const manual = await reindexed(rig.caller, { switch: "manual" });
    assert.equal([manual.outcome?.decision, manual.outcome?.comparison?.overlap_10], ["held", 1]);
    const always = await reindexed(rig.caller, { language: "none", switch: "always", keep_seconds: 0 });
    assert.equal(always.outcome, { decision: "switched", reason: "always", comparison: null });
    assert.equal(builds(await rig.caller.collection("docs")), [4, "1 retired", "3 abandoned"]);
    await rig.restart(undefined, { KENNEL_RETRIEVER_WARM_QUERIES: "0" });
    await rig.caller.search("docs", HOUSE);
    assert.is((await reindexed(rig.caller, { language: "english" })).outcome?.reason, "nothing_to_compare");
  }));

test("What cannot be asked of builds is refused with the field at fault", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("docs");
    await caller.addDocuments("docs", DOCUMENTS);
    for (const [path, body, param] of [
      ["reindex", { switch: "maybe" }, "switch"],
      ["reindex", { keep_seconds: -1 }, "keep_seconds"],
      ["reindex", { compare: { margin: 2 } }, "compare.margin"],
      ["reindex", { compare: { queries: [{ query: "q", relevant: {} }] } }, "compare.queries[0].relevant"],
      ["reindex", { compare: { strategy: "guess" } }, "compare.strategy"],
      ["switch", { version: 0 }, "version"],
      ["switch", { to: 1 }, "to"],
    ] as const)
      assert.is((await caller.refused("invalid_request", "POST", `${PATH}/${path}`, body)).param, param);
    assert.is((await caller.refused("conflict", "POST", `${PATH}/switch`, { version: 9 })).param, "version");
    assert.is((await caller.refused("invalid_request", "DELETE", `${PATH}/versions/one`)).param, "version");
    await caller.refused("conflict", "DELETE", `${PATH}/versions/1`);
    await caller.refused("not_found", "DELETE", `${PATH}/versions/2`);
    await caller.refused("not_found", "POST", "/v1/collections/none/switch");
  }));

test.run();
