import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { allocateMemory, MemoryArena } from "../../../../../actors/retriever/index/resident/memory.ts";
import type { ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import type { Filter } from "../../../../../actors/vector_store/filter.ts";
import type { ChunkRow } from "../../../../../actors/vector_store/vector_store.ts";
import { KennelError } from "../../../../../runtime/errors.ts";
import { seededRandom } from "../../../../../runtime/random.ts";
import {
  ALL,
  exactTextSearch,
  exactVectorSearch,
  idsOf,
  imageOf,
  indexOf,
  mergedImage,
  mergeNow,
  openImage,
  rowOf,
  type Scored,
} from "./index_rig.ts";

const test = suite("resident index");
const QUERY = Float32Array.of(0.8, 0.6, 0, 0);

function textOf({ bytes, textAt, attributesAt }: { bytes: Uint8Array; textAt: number; attributesAt: number }): string {
  return JSON.parse(`{${new TextDecoder().decode(bytes.slice(textAt + 1, attributesAt))}}`).text;
}

test("ResidentIndex finds by vector and by words, with names and passages of what it found", () => {
  const index = indexOf([
    rowOf({ id: "waves#0", text: "Radio waves in the ionosphere", vector: [1, 0, 0, 0] }),
    rowOf({ id: "valves#0", text: "A valve amplifier", vector: [0, 1, 0, 0] }),
  ]);
  const byVector = index.searchVector(QUERY, ALL);
  assert.equal(idsOf(index, byVector), ["waves#0", "valves#0"]);
  assert.ok(Math.abs((byVector.scores[0] as number) - 0.8) < 0.01);
  const byWords = index.searchText("the amplifiers", ALL);
  assert.equal(idsOf(index, byWords), ["valves#0"]);
  const row = byWords.rows[0] as number;
  assert.equal(index.names(row), { id: "valves#0", documentId: "valves", parentId: "valves/parent" });
  assert.is(textOf(index.passage(row)), "A valve amplifier");
});

test("ResidentIndex finds a written row with the next search and a deleted one never again", () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" }), rowOf({ id: "b#0", text: "radio" })]);
  index.replaceDocuments(["c"], [rowOf({ id: "c#0", text: "radio" })], 2);
  assert.equal(idsOf(index, index.searchText("radio", ALL)).sort(), ["a#0", "b#0", "c#0"]);
  index.replaceDocuments(["a", "c"], [], 3);
  for (const step of ["before", "after"]) {
    assert.equal(idsOf(index, index.searchText("radio", ALL)), ["b#0"], `${step} the merge`);
    assert.equal(idsOf(index, index.searchVector(QUERY, ALL)), ["b#0"], `${step} the merge`);
    assert.is(index.liveRows, 1);
    mergeNow(index);
  }
  assert.is(index.indexVersion, 3);
});

test("ResidentIndex replaces exactly the document that is named, whatever its neighbours are called", () => {
  const ids = ["a#0", "a#1", "a#10", "a#1#0", "a ", "a!#0", "ab#0", "a#x#0"].filter((id) => id.includes("#"));
  const index = indexOf(ids.map((id) => rowOf({ id, text: "radio" })));
  index.replaceDocuments(["a"], [rowOf({ id: "a#0", text: "valve" })], 2);
  const expected = ids.filter((id) => !["a#0", "a#1", "a#10"].includes(id)).sort();
  assert.equal(idsOf(index, index.searchText("radio", ALL)).sort(), expected);
  assert.equal(idsOf(index, index.searchText("valve", ALL)), ["a#0"]);
});

test("ResidentIndex keeps writes and deletes that come while a merge is under way", () => {
  const index = indexOf(["a", "b", "c"].map((name) => rowOf({ id: `${name}#0`, text: "radio" })));
  index.replaceDocuments(["d"], [rowOf({ id: "d#0", text: "radio" })], 2);
  const input = index.beginMerge();
  assert.ok(index.isMerging);
  index.replaceDocuments(["a", "d"], [], 3);
  index.replaceDocuments(["e"], [rowOf({ id: "e#0", text: "radio" })], 4);
  index.replaceDocuments(["b"], [rowOf({ id: "b#0", text: "valve" })], 5);
  const before = idsOf(index, index.searchText("radio", ALL)).sort();
  const image = mergedImage(input);
  assert.is(image.header.indexVersion, 2);
  index.completeMerge(image);
  assert.equal(before, ["c#0", "e#0"]);
  assert.equal(idsOf(index, index.searchText("radio", ALL)).sort(), before);
  assert.equal(idsOf(index, index.searchText("valve", ALL)), ["b#0"]);
  assert.is(index.indexVersion, 5);
  assert.is(index.liveRows, 3);
});

test("ResidentIndex is searched and written between the steps in which a merge is taken in, and loses none of it", () => {
  const text = (id: string) => rowOf({ id: `${id}#0`, text: "radio" });
  const index = indexOf([text("a"), text("b")]);
  index.replaceDocuments(["c"], [text("c")], 2);
  const image = mergedImage(index.beginMerge());
  for (const id of ["d", "e", "f"]) index.replaceDocuments([id], [text(id)], 3);
  const found = () => idsOf(index, index.searchText("radio", ALL)).map((id) => id.slice(0, 1));
  let steps = 0;
  for (const _ of index.completing(image, 2)) {
    if (++steps === 1) index.replaceDocuments(["a"], [], 4);
    if (steps === 2) index.replaceDocuments(["d"], [], 5);
    assert.not(found().includes("a"));
    assert.is(index.isMerging, true);
  }
  assert.ok(steps >= 3);
  assert.equal([found(), index.isMerging, index.indexVersion], [["b", "c", "e", "f"], false, 5]);
  mergeNow(index);
  assert.equal(found(), ["b", "c", "e", "f"]);
});

test("ResidentIndex stays with the old base when a merge that is being taken in is given up", () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" })]);
  index.replaceDocuments(["b"], [rowOf({ id: "b#0", text: "radio" })], 2);
  const image = mergedImage(index.beginMerge());
  for (const id of ["c", "d"]) index.replaceDocuments([id], [rowOf({ id: `${id}#0`, text: "radio" })], 3);
  for (const _ of index.completing(image, 1)) break;
  assert.equal([index.isMerging, index.unmergedRows, index.liveRows], [false, 3, 4]);
  mergeNow(index);
  assert.equal([index.unmergedRows, index.liveRows], [0, 4]);
});

test("ResidentIndex goes on as it was when a merge is abandoned", () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" })]);
  index.replaceDocuments(["b"], [rowOf({ id: "b#0", text: "radio" })], 2);
  index.beginMerge();
  index.replaceDocuments(["a"], [], 3);
  index.abandonMerge();
  assert.equal(idsOf(index, index.searchText("radio", ALL)), ["b#0"]);
  mergeNow(index);
  assert.equal(idsOf(index, index.searchText("radio", ALL)), ["b#0"]);
});

test("ResidentIndex asks for a merge once enough rows were written or deleted", () => {
  const index = indexOf(
    Array.from({ length: 30 }, (_, at) => rowOf({ id: `d${at}#0`, text: "radio" })),
    { mergeFromRows: 3 },
  );
  index.replaceDocuments(["d0"], [], 2);
  index.replaceDocuments(["d1"], [], 3);
  assert.not(index.needsMerge);
  index.replaceDocuments(["new"], [rowOf({ id: "new#0", text: "radio" })], 4);
  assert.ok(index.needsMerge);
  mergeNow(index);
  assert.not(index.needsMerge);
  assert.is(index.unmergedRows, 0);
});

test("ResidentIndex orders equal scores by id, in base and delta alike, at every limit", () => {
  const index = indexOf(["m#0", "c#0", "x#0", "a#0"].map((id) => rowOf({ id, text: "radio" })));
  index.replaceDocuments(["b", "z"], [rowOf({ id: "z#0", text: "radio" }), rowOf({ id: "b#0", text: "radio" })], 2);
  const expected = ["a#0", "b#0", "c#0", "m#0", "x#0", "z#0"];
  for (let limit = 1; limit <= 8; limit++) {
    assert.equal(idsOf(index, index.searchVector(QUERY, { ...ALL, limit })), expected.slice(0, limit));
    assert.equal(idsOf(index, index.searchText("radio", { ...ALL, limit })), expected.slice(0, limit));
  }
  mergeNow(index);
  for (let limit = 1; limit <= 8; limit++) {
    assert.equal(idsOf(index, index.searchVector(QUERY, { ...ALL, limit })), expected.slice(0, limit));
    assert.equal(idsOf(index, index.searchText("radio", { ...ALL, limit })), expected.slice(0, limit));
  }
});

test("ResidentIndex leaves out what is older than allowed, in base and delta", () => {
  const index = indexOf([rowOf({ id: "old#0", text: "radio", updatedAtMs: 100 }), rowOf({ id: "new#0", text: "radio", updatedAtMs: 200 })]);
  index.replaceDocuments(["older"], [rowOf({ id: "older#0", text: "radio", updatedAtMs: 50 })], 2);
  const options = { ...ALL, notBeforeMs: 150 };
  assert.equal(idsOf(index, index.searchText("radio", options)), ["new#0"]);
  assert.equal(idsOf(index, index.searchVector(QUERY, options)), ["new#0"]);
  assert.is(index.searchText("radio", { ...ALL, notBeforeMs: 10 }).rows.length, 3);
});

test("ResidentIndex honours a filter it has seen before after what passed it was deleted", () => {
  const index = indexOf(["a", "b"].map((name) => rowOf({ id: `${name}#0`, text: "radio", attributes: { lang: "en" } })));
  const options = { ...ALL, filter: { type: "eq", key: "lang", value: "en" } as Filter };
  assert.is(index.searchText("radio", options).rows.length, 2);
  index.replaceDocuments(["a"], [], 2);
  assert.equal(idsOf(index, index.searchText("radio", options)), ["b#0"]);
  assert.equal(idsOf(index, index.searchVector(QUERY, options)), ["b#0"]);
});

// Edges of what may come in.

test("ResidentIndex of nothing finds nothing, and grows from there", () => {
  const index = indexOf([]);
  assert.is(index.searchText("radio", ALL).rows.length, 0);
  assert.is(index.searchVector(QUERY, ALL).rows.length, 0);
  index.replaceDocuments(["a"], [rowOf({ id: "a#0", text: "radio radio waves" })], 2);
  assert.equal(idsOf(index, index.searchText("radio", ALL)), ["a#0"]);
  mergeNow(index);
  assert.equal(idsOf(index, index.searchVector(QUERY, ALL)), ["a#0"]);
  index.replaceDocuments(["a"], [], 3);
  mergeNow(index);
  assert.is(index.liveRows, 0);
  assert.is(index.searchText("radio", ALL).rows.length, 0);
});

test("ResidentIndex ranks by a word that every chunk has, empty and one-word chunks among them", () => {
  const rows = [
    rowOf({ id: "empty#0", text: "" }),
    rowOf({ id: "one#0", text: "radio" }),
    rowOf({ id: "stop#0", text: "the of and" }),
    ...Array.from({ length: 50 }, (_, at) => rowOf({ id: `long${at}#0`, text: `radio ${"word ".repeat(at + 1)}` })),
  ];
  const index = indexOf(rows);
  const found = index.searchText("radio", ALL);
  assert.is(found.rows.length, 51);
  assert.is(idsOf(index, found)[0], "one#0");
  assert.ok(found.scores.every((score) => score > 0));
});

test("ResidentIndex answers a query of 10,000 words", () => {
  const index = indexOf(Array.from({ length: 40 }, (_, at) => rowOf({ id: `d${at}#0`, text: `word${at} radio` })));
  const query = Array.from({ length: 10_000 }, (_, at) => `word${at % 3_000}`).join(" ");
  assert.is(index.searchText(query, ALL).rows.length, 40);
});

test("ResidentIndex gives all it has when more is asked for, and nothing of a filter that allows nothing", () => {
  const index = indexOf(Array.from({ length: 7 }, (_, at) => rowOf({ id: `d${at}#0`, text: "radio", attributes: { n: at } })));
  const wide = { ...ALL, limit: 10_000 };
  assert.is(index.searchText("radio", wide).rows.length, 7);
  assert.is(index.searchVector(QUERY, wide).rows.length, 7);
  const nothing: Filter = { type: "gt", key: "n", value: 100 };
  const everything: Filter = { type: "gte", key: "n", value: 0 };
  assert.is(index.searchText("radio", { ...wide, filter: nothing }).rows.length, 0);
  assert.is(index.searchVector(QUERY, { ...wide, filter: nothing }).rows.length, 0);
  assert.is(index.searchVector(QUERY, { ...wide, filter: everything }).rows.length, 7);
});

test("ResidentIndex finds a chunk lexically whose vector is missing, zero or not finite, and never by vector", () => {
  const odd: ChunkRow[] = [
    rowOf({ id: "none#0", text: "radio", vector: null }),
    rowOf({ id: "zero#0", text: "radio", vector: [0, 0, 0, 0] }),
    rowOf({ id: "nan#0", text: "radio", vector: [Number.NaN, 1, 0, 0] }),
    rowOf({ id: "huge#0", text: "radio", vector: [Number.POSITIVE_INFINITY, 1, 0, 0] }),
  ];
  const good = rowOf({ id: "good#0", text: "radio" });
  const index = indexOf([...odd, good]);
  assert.equal(idsOf(index, index.searchVector(QUERY, ALL)), ["good#0"]);
  const written = indexOf([good]);
  written.replaceDocuments(["none", "zero", "nan", "huge"], odd, 2);
  for (const each of [index, written]) {
    assert.equal(idsOf(each, each.searchVector(QUERY, ALL)), ["good#0"]);
    assert.is(each.searchText("radio", ALL).rows.length, 5);
  }
});

test("ResidentIndex refuses a query vector of other dimensions or with a number that is not finite, and finds nothing near to zero", () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" })]);
  const refusal = (vector: Float32Array) => codeOf(() => index.searchVector(vector, ALL));
  assert.is(refusal(Float32Array.of(1, 0)), "invalid_request");
  assert.is(refusal(Float32Array.of(1, Number.NaN, 0, 0)), "invalid_request");
  assert.is(refusal(Float32Array.of(1, 0, Number.POSITIVE_INFINITY, 0)), "invalid_request");
  assert.is(index.searchVector(new Float32Array(4), ALL).rows.length, 0);
});

test("ResidentIndex refuses a row of other dimensions and is as it was", () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" })]);
  const write = () => index.replaceDocuments(["a"], [rowOf({ id: "a#0", text: "valve", vector: [1, 0] })], 2);
  assert.is(codeOf(write), "invalid_request");
  assert.equal(idsOf(index, index.searchText("radio", ALL)), ["a#0"]);
  assert.is(index.indexVersion, 1);
});

test("ResidentIndex refuses a write with storage_full when its memory can't grow, and is as it was", () => {
  const image = imageOf([rowOf({ id: "a#0", text: "radio" })]);
  const tight = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  new Uint8Array(tight.buffer).set(new Uint8Array(image.memory.buffer, 0, image.header.bytes));
  const index = openImage({ memory: tight, header: image.header });
  const rows = Array.from({ length: 5_000 }, (_, at) => rowOf({ id: `b#${at}`, text: "radio" }));
  assert.is(
    codeOf(() => index.replaceDocuments(["a", "b"], rows, 2)),
    "storage_full",
  );
  assert.equal(idsOf(index, index.searchText("radio", ALL)), ["a#0"]);
  assert.equal([index.indexVersion, index.liveRows], [1, 1]);
});

test("Memory beyond what the runtime gives is refused with storage_full, and a message that says how much", () => {
  const beyond = 5 * 1_024 ** 3; // no 32-bit memory holds it
  assert.is(
    codeOf(() => allocateMemory(beyond)),
    "storage_full",
  );
  try {
    allocateMemory(beyond);
  } catch (error) {
    assert.match((error as Error).message, new RegExp(`${beyond} bytes were refused`));
  }
});

test("MemoryArena hands out zeroed regions that do not overlap and keeps old views true while it grows", () => {
  const arena = new MemoryArena(new WebAssembly.Memory({ initial: 1, maximum: 8, shared: true }), 10);
  const first = arena.reserve(100);
  const view = new Uint8Array(arena.memory.buffer, first.offset, first.bytes).fill(7);
  const second = arena.reserve(200_000);
  assert.ok(second.offset >= first.offset + first.bytes && second.offset % 16 === 0);
  new Uint8Array(arena.memory.buffer, second.offset, second.bytes).fill(9);
  assert.ok(view.every((byte) => byte === 7));
  assert.is(new Uint8Array(arena.memory.buffer)[first.offset], 7);
  assert.is(arena.bytes, arena.memory.buffer.byteLength);
  assert.is(
    codeOf(() => arena.reserve(1_000_000)),
    "storage_full",
  );
});

test("ResidentIndex counts its memory, and more of it after a write", () => {
  const index = indexOf([rowOf({ id: "a#0", text: "radio" })]);
  const before = index.bytes;
  assert.ok(before >= index.image.memory.buffer.byteLength);
  index.replaceDocuments(["b"], [rowOf({ id: "b#0", text: "radio waves" })], 2);
  assert.ok(index.bytes > before);
});

// Against the reference, over random lives.

const WORDS = ["radio", "waves", "valve", "amplifier", "circuit", "noise", "signal", "pulse"];

interface Step {
  readonly kind: "replace" | "delete" | "merge" | "begin" | "complete";
  readonly document: number;
  readonly chunks: number;
  readonly seed: number;
}

function randomRow(documentId: string, ordinal: number, seed: number): ChunkRow {
  const random = seededRandom(seed * 31 + ordinal);
  const pick = (from: number) => Math.floor(random.next() * from);
  return rowOf({
    id: `${documentId}#${ordinal}`,
    text: Array.from({ length: pick(9) }, () => WORDS[pick(WORDS.length)]).join(" "),
    vector: pick(8) === 0 ? null : Array.from({ length: 4 }, () => random.next() - 0.5),
    attributes: pick(3) === 0 ? {} : { lang: pick(2) === 0 ? "en" : "de", year: 2000 + pick(5), open: pick(2) === 0 },
    updatedAtMs: 1_000 + pick(100),
  });
}

const FILTERS: readonly (Filter | null)[] = [
  null,
  { type: "eq", key: "lang", value: "en" },
  { type: "ne", key: "year", value: 2001 },
  {
    type: "or",
    filters: [
      { type: "lt", key: "year", value: 2002 },
      { type: "eq", key: "open", value: true },
    ],
  },
  {
    type: "and",
    filters: [
      { type: "in", key: "year", value: [2002, 2003] },
      { type: "nin", key: "lang", value: ["de"] },
    ],
  },
];

/** int8 moves a cosine by less than this in four dimensions, uint8 a BM25 score by less than this part of it. */
const COSINE_TOLERANCE = 0.02;
const BM25_TOLERANCE = 0.04;

/** Same rows within the tolerance: whoever is in one list only must be a near tie of the other's last. */
function assertClose(found: readonly Scored[], exact: readonly Scored[], toleranceOf: (score: number) => number, limit: number): void {
  assert.is(found.length, exact.length);
  const expected = new Map(exact.map(({ id, score }) => [id, score]));
  const last = exact.at(-1)?.score ?? 0;
  for (const [at, { id, score }] of found.entries()) {
    const reference = expected.get(id);
    if (reference === undefined) assert.ok(found.length === limit && score >= last - toleranceOf(last), `${id} should not be there`);
    else assert.ok(Math.abs(score - reference) <= toleranceOf(reference), `${id} scores ${score}, the reference ${reference}`);
    if (at > 0) assert.ok((found[at - 1] as Scored).score >= score, "scores fall");
  }
}

function scored(index: ResidentIndex, hits: { rows: Uint32Array; scores: Float64Array }): Scored[] {
  return idsOf(index, hits).map((id, at) => ({ id, score: hits.scores[at] as number }));
}

test("ResidentIndex holds exactly what was written, through any order of writes, deletes and merges", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("replace", "replace", "replace", "delete", "merge", "begin", "complete"),
    document: fc.integer({ min: 0, max: 9 }),
    chunks: fc.integer({ min: 0, max: 4 }),
    seed: fc.nat(1_000_000),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom(0, 20_000),
      fc.constantFrom(...FILTERS),
      (steps, bitsFromRows, filter) => {
        const index = indexOf([], { bitsFromRows });
        const model = new Map<string, ChunkRow[]>();
        let pending: ReturnType<ResidentIndex["beginMerge"]> | null = null;
        let version = 1;
        for (const { kind, document, chunks, seed } of steps) {
          const id = `d${document}`;
          if (kind === "replace" || kind === "delete") {
            const count = kind === "delete" ? 0 : chunks;
            const rows = Array.from({ length: count }, (_, ordinal) => randomRow(id, ordinal, seed));
            index.replaceDocuments([id], rows, ++version);
            model.set(id, rows);
          } else if (kind === "complete" && pending !== null) {
            index.completeMerge(mergedImage(pending));
            pending = null;
          } else if (kind === "begin" && pending === null) pending = index.beginMerge();
          else if (kind === "merge" && pending === null) mergeNow(index);
        }
        const rows = [...model.values()].flat();
        assert.is(index.liveRows, rows.length);
        assert.is(index.indexVersion, version);
        const options = { limit: 5, needed: null, filter, notBeforeMs: 1_020 };
        const byVector = scored(index, index.searchVector(QUERY, options));
        assertClose(byVector, exactVectorSearch(rows, QUERY, options), () => COSINE_TOLERANCE, options.limit);
        if (pending !== null) index.abandonMerge();
        mergeNow(index); // statistics are exact after a merge only
        const byText = scored(index, index.searchText("radio valve noise", options));
        const exact = rows.length === 0 ? [] : exactTextSearch(rows, "radio valve noise", options);
        assertClose(byText, exact, (score) => 0.02 + BM25_TOLERANCE * score, options.limit);
      },
    ),
    { numRuns: 150 },
  );
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.instance(error, KennelError);
    return (error as KennelError).code;
  }
  return "none";
}

test.run();
