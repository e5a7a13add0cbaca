import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Attributes, type Filter, matches } from "../../actors/vector_store/filter.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { systemClock } from "../../runtime/clock.ts";
import { systemRandom } from "../../runtime/random.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const DIMENSIONS = 256;

/** A unit vector along one axis, leaning a little towards the next. */
function vectorAlong(axis: number, lean = 0): number[] {
  const vector = new Array<number>(DIMENSIONS).fill(0);
  vector[axis] = 1;
  vector[axis + 1] = lean;
  return vector;
}

const NAMES = ["O'Hara", 'say "hi"', "back\\slash", "' or 1==1 --", "%", "ünïcode 🐕", ""] as const;

/** Rows that have and lack each attribute. */
const FILTERED: readonly Attributes[] = Array.from({ length: 28 }, (_, place) => ({
  ...(place % 4 === 3 ? {} : { name: NAMES[place % NAMES.length] ?? "" }),
  ...(place % 5 === 4 ? {} : { size: (place - 10) / 2 }),
  ...(place % 3 === 2 ? {} : { isOpen: place % 2 === 0 }),
}));

const FILTERS: readonly Filter[] = [
  ...NAMES.flatMap((value): Filter[] => [
    { type: "eq", key: "name", value },
    { type: "ne", key: "name", value },
    { type: "gt", key: "name", value },
    { type: "lte", key: "name", value },
    { type: "in", key: "name", value: [value, "%"] },
    { type: "nin", key: "name", value: [value, "O'Hara"] },
  ]),
  ...(["eq", "ne", "gt", "gte", "lt", "lte"] as const).flatMap((type): Filter[] => [
    { type, key: "size", value: -1.5 },
    { type, key: "size", value: 0 },
    { type, key: "size", value: 1e9 },
  ]),
  { type: "in", key: "size", value: [0, 0.5, -5] },
  { type: "nin", key: "size", value: [0, 0.5, -5] },
  { type: "eq", key: "isOpen", value: true },
  { type: "ne", key: "isOpen", value: true },
  {
    type: "and",
    filters: [
      { type: "gte", key: "size", value: -2 },
      {
        type: "or",
        filters: [
          { type: "eq", key: "isOpen", value: false },
          { type: "eq", key: "name", value: "' or 1==1 --" },
        ],
      },
    ],
  },
];

test("Every kind of filter lets through, in both branches, exactly what the reference evaluator lets through", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("filtered", { attributes: { name: "string", size: "number", isOpen: "boolean" } });
    await caller.addDocuments(
      "filtered",
      FILTERED.map((attributes, place) => ({ id: String(place), text: "the same words in each", attributes })),
    );
    for (const filters of FILTERS) {
      const expected = FILTERED.flatMap((attributes, place) => (matches(filters, attributes) ? [String(place)] : []));
      for (const strategy of ["bm25", "vector", "hybrid"]) {
        const found = await caller.found("filtered", { query: "same words", strategy, filters, top_k: 100 });
        assert.equal(found.sort(), [...expected].sort(), `${strategy} with ${JSON.stringify(filters)}`);
      }
    }
    const unknown = { query: "same", filters: { type: "eq", key: "nothing", value: 1 } };
    assert.is((await caller.refused("invalid_request", "POST", "/v1/collections/filtered/search", unknown)).param, "filters.key");
  }));

test("A search by vector ranks documents that brought their own by cosine, and refuses vectors of another length", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("vectors");
    const documents = [0, 1, 2].map((place) => ({ id: `axis ${place}`, text: `text ${place}`, vector: vectorAlong(place * 10, 0.1) }));
    assert.is((await caller.addDocuments("vectors", documents)).counts.indexed, 3);
    const answer = await caller.search("vectors", { vector: vectorAlong(10).map((value) => value * 7), top_k: 3 });
    assert.is(answer.data[0]?.document_id, "axis 1");
    assert.is(answer.data[0]?.score_type, "cosine");
    const cosine = answer.data[0]?.scores?.vector ?? 0;
    assert.ok(Math.abs(cosine - 1 / Math.hypot(1, 0.1)) < 0.01, `the cosine is ${cosine}`);
    const path = "/v1/collections/vectors";
    await caller.refused("invalid_request", "POST", `${path}/search`, { vector: [1, 0, 0] });
    await caller.refused("invalid_request", "POST", `${path}/documents`, { documents: [{ id: "short", text: "", vector: [1, 2] }] });
    assert.is((await caller.collection("vectors")).documents, 3);
  }));

/** Three documents: one of many sections about rain, one short about rain, one about trains. */
async function makeReports(caller: Caller): Promise<WireJob> {
  await caller.makeCollection("reports", { chunking: { max_tokens: 32, overlap_tokens: 0, parent_tokens: 128 } });
  const sections = Array.from(
    { length: 6 },
    (_, place) => `## Part ${place}\n\nRain falls on valley number ${place} and the river rises there.`,
  );
  return caller.addDocuments("reports", [
    { id: "long", text: `# Rain\n\n${sections.join("\n\n")}`, format: "markdown" },
    { id: "short", text: "Rain falls on the city." },
    { id: "trains", text: "Trains run on time." },
  ]);
}

test("Grouping gives one passage a document, and parent_document a wider text than the passage that was found", () =>
  onNode({}, async ({ caller }) => {
    await makeReports(caller);
    for (const strategy of ["bm25", "vector", "hybrid"]) {
      const plain = await caller.search("reports", { query: "rain falls", strategy });
      assert.ok(plain.data.filter((hit) => hit.document_id === "long").length > 1, `${strategy} finds one passage of the long document`);
      const grouped = await caller.search("reports", { query: "rain falls", strategy, group_by: "document" });
      const ids = grouped.data.map((hit) => hit.document_id);
      assert.equal(ids, [...new Set(ids)], `${strategy} repeats a document`);
      assert.is(grouped.data[0]?.document_id, plain.data[0]?.document_id);
    }
    const query = "valley number 3";
    const [passage] = (await caller.search("reports", { query, strategy: "bm25", top_k: 1 })).data;
    const [parent] = (await caller.search("reports", { query, strategy: "parent_document", top_k: 1 })).data;
    assert.ok(passage?.text?.includes("number 3"));
    assert.ok(parent?.text?.includes("number 3"));
    assert.ok((parent?.text?.length ?? 0) > (passage?.text?.length ?? 0), "the parent is not wider than the passage");
  }));

test("Options of a search do what they say: threshold, candidates, fields, explanation and version", () =>
  onNode({}, async ({ caller }) => {
    const job = await makeReports(caller);
    const query = "rain falls";
    const all = await caller.search("reports", { query });
    const scores = all.data.map((hit) => hit.score);
    assert.equal(
      scores,
      [...scores].sort((left, right) => right - left),
    );
    const threshold = ((scores[0] ?? 0) + (scores.at(-1) ?? 0)) / 2;
    const cut = await caller.search("reports", { query, score_threshold: threshold });
    assert.equal(
      cut.data.map((hit) => hit.id),
      all.data.filter((hit) => hit.score >= threshold).map((hit) => hit.id),
    );
    const few = await caller.search("reports", { query, strategy: "hybrid", top_k: 1, candidate_k: 1 });
    assert.is(few.data.length, 1);
    const ranks = Object.values(few.data[0]?.ranks ?? {});
    assert.ok(ranks.length > 0 && ranks.every((rank) => rank === 1), "more candidates than asked for took part");
    const bare = await caller.search("reports", { query, include: [] });
    assert.equal(Object.keys(bare.data[0] ?? {}).sort(), ["document_id", "id", "parent_id", "score", "score_type", "title", "url"]);
    assert.is(bare.explain, undefined);
    assert.type((await caller.search("reports", { query, explain: true })).explain, "object");
    assert.is((await caller.search("reports", { query, min_version: job.index_version })).index_version, job.index_version);
    const future = { query, min_version: (job.index_version ?? 0) + 1, timeout_ms: 200 };
    const refusal = await caller.send<{ error?: { code: string } }>("POST", "/v1/collections/reports/search", future);
    assert.ok(refusal.status >= 400 && refusal.status !== 500, `a version that is not there yet was answered with ${refusal.status}`);
    const full = await caller.search("reports", { query, allow_degraded: false });
    assert.equal([full.mode, full.degradations], ["full", []]);
  }));

test("A document past its collection's time to live is no longer found, by any strategy", () => {
  const clock = systemClock();
  let passedMs = 0;
  const shifted = { ...clock, wallMs: () => clock.wallMs() + passedMs };
  return onNode(
    {},
    async ({ caller }) => {
      await caller.makeCollection("news", { ttl_seconds: 3_600 });
      await caller.addDocuments("news", [{ id: "old", text: "The bridge is closed." }]);
      passedMs = 3_000_000;
      await caller.addDocuments("news", [{ id: "new", text: "The bridge is open." }]);
      for (const strategy of ["bm25", "vector", "hybrid"]) {
        assert.equal((await caller.found("news", { query: "bridge", strategy })).sort(), ["new", "old"], strategy);
      }
      passedMs = 4_000_000;
      await until("the old document is not found", async () => {
        const found = await Promise.all(
          ["bm25", "vector", "hybrid"].map((strategy) => caller.found("news", { query: "the bridge", strategy })),
        );
        return found.every((ids) => ids.join() === "new");
      });
    },
    { clock: shifted, random: systemRandom() },
  );
});

test.run();
