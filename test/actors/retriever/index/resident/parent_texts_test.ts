import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import type { ChunkRow } from "../../../../../actors/vector_store/vector_store.ts";
import { ALL, imageOf, indexOf, mergeNow, openImage, rowOf } from "./index_rig.ts";

const test = suite("parents in the resident index");

function shown(index: ResidentIndex): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const row of index.searchText("cat", { ...ALL, limit: 1_000 }).rows) {
    const text = index.parentText(row);
    texts[index.names(row).id] = text instanceof Uint8Array ? JSON.parse(`{"id":0${new TextDecoder().decode(text.slice())}}`).text : text;
  }
  return texts;
}

const child = (id: string, parentId: string | null, text = "cat"): ChunkRow => ({ ...rowOf({ id, text }), parentId });

test("A parent that chunks share is held once, in a build, a write and a merge", () => {
  const long = "x".repeat(10_000);
  const rows = ["a#0", "a#1", "a#2"].map((id) => child(id, "a#p0"));
  const parents = new Map([["a#p0", long]]);
  const { header } = imageOf(rows, { parents });
  assert.is(header.sections.parents.bytes, `,"text":"${long}"`.length);
  const index = openImage(imageOf(rows, { parents }));
  const before = index.bytes;
  index.replaceDocuments(
    ["b"],
    ["b#0", "b#1"].map((id) => child(id, "b#p0")),
    2,
    new Map([["b#p0", long]]),
  );
  assert.ok(index.bytes - before > 10_000, "what is written is counted");
  assert.ok(index.bytes - before < 20_000, "and once");
  mergeNow(index);
  assert.is(index.image.header.sections.parents.bytes, 2 * `,"text":"${long}"`.length);
  assert.equal(new Set(Object.values(shown(index))), new Set([long]));
});

test("Chunks without parents, and chunks that are their parents, cost nothing more", () => {
  const alone = [child("a#0", null), child("b#0", "b#p0", "cat dog")];
  const { sections } = imageOf(alone, { parents: new Map([["b#p0", "cat dog"]]) }).header;
  assert.equal([sections.parentNumbers.bytes, sections.parentStarts.bytes, sections.parents.bytes], [0, 0, 0]);
  const index = indexOf(alone, { parents: new Map([["b#p0", "cat dog"]]) });
  assert.equal(shown(index), { "a#0": "own", "b#0": "own" });
});

test("A parent that the document store does not have is shown as its chunk, one that it could not be asked for is not known", () => {
  const rows = [child("a#0", "a#p0"), child("b#0", null)];
  assert.equal(shown(indexOf(rows, { parents: new Map() })), { "a#0": "own", "b#0": "own" });
  assert.equal(shown(indexOf(rows, { parents: null })), { "a#0": "unknown", "b#0": "own" });
});

test("Through any order of writes, deletes and merges each chunk shows the parent that it was last written with", () => {
  const document = fc.record({ name: fc.constantFrom("a", "b", "a#1", "c"), chunks: fc.nat(4), parents: fc.integer({ min: 1, max: 2 }) });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("write" as const), document, text: fc.constantFrom("cat", "long", null) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("merge" as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const index = indexOf([]);
      const model = new Map<string, Record<string, string>>();
      for (const [at, each] of steps.entries()) {
        if (each.kind === "merge") {
          mergeNow(index);
          continue;
        }
        const { name, chunks, parents } = each.document;
        const rows = Array.from({ length: chunks }, (_, ordinal) => child(`${name}#${ordinal}`, `${name}#p${ordinal % parents}`));
        const texts = new Map(rows.map(({ parentId }) => [parentId ?? "", each.text === "cat" ? "cat" : `${each.text} ${at} ${parentId}`]));
        index.replaceDocuments([name], rows, at + 2, each.text === null ? null : texts);
        const expected = ({ parentId }: ChunkRow) =>
          each.text === null ? "unknown" : each.text === "cat" ? "own" : (texts.get(parentId ?? "") ?? "");
        model.set(name, Object.fromEntries(rows.map((row) => [row.id, expected(row)])));
      }
      assert.equal(shown(index), Object.assign({}, ...model.values()));
    }),
    { numRuns: 300 },
  );
});

test.run();
