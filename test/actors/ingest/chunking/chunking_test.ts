import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Block } from "../../../../actors/ingest/chunking/block.ts";
import { chunkDocument } from "../../../../actors/ingest/chunking/chunking.ts";

/** Tokens as the model counts long words: one per started four characters of each word. */
const countTokens = (text: string) => (text.match(/\S+/gu) ?? []).reduce((sum, word) => sum + Math.ceil([...word].length / 4), 0);
const paragraph = (text: string): Block => ({ kind: "paragraph", level: 0, text });
const heading = (level: number, text: string): Block => ({ kind: "heading", level, text });
const flat = { maxTokens: 16, overlapTokens: 0, parentTokens: 0 };

test("A short document is one chunk, with the title put before it for indexing only", () => {
  const { chunks } = chunkDocument({ id: "a", title: "On dogs", blocks: [paragraph("Dogs bark.")] }, flat, countTokens);
  assert.equal(chunks, [
    { id: "a#0", ordinal: 0, parentId: null, text: "Dogs bark.", indexText: "On dogs\nDogs bark.", startOffset: 0, endOffset: 10 },
  ]);
});

test("An empty text makes one chunk of the title, and none without a title", () => {
  assert.is(chunkDocument({ id: "a", title: "T", blocks: [] }, flat, countTokens).chunks[0]?.text, "T");
  assert.equal(chunkDocument({ id: "a", title: "", blocks: [] }, flat, countTokens).chunks, []);
});

test("A chunk starts at a heading, stays with it, and is indexed under the headings above", () => {
  const blocks = [
    heading(1, "Care"),
    paragraph("one two three four five six seven eight."),
    heading(2, "Food"),
    paragraph("meat fish rice corn."),
    heading(2, "Walks"),
    paragraph("far near slow fast."),
  ];
  const { chunks } = chunkDocument({ id: "a", title: "Dogs", blocks }, flat, countTokens);
  assert.equal(
    chunks.map((chunk) => chunk.text.split("\n")[0]),
    ["Care", "Food", "Walks"],
  );
  assert.is(chunks[2]?.indexText, "Dogs\nCare\nWalks\n\nfar near slow fast.");
});

test("A long paragraph is cut between sentences, and the overlap repeats whole ones", () => {
  const text = "Aaaa bbbb cccc dddd. Eeee ffff gggg hhhh. Iiii jjjj kkkk llll. Mmmm nnnn oooo pppp.";
  const { chunks } = chunkDocument(
    { id: "a", title: "", blocks: [paragraph(text)] },
    { ...flat, maxTokens: 18, overlapTokens: 6 },
    countTokens,
  );
  assert.equal(
    chunks.map((chunk) => chunk.text),
    ["Aaaa bbbb cccc dddd. Eeee ffff gggg hhhh. Iiii jjjj kkkk llll.", "Iiii jjjj kkkk llll. Mmmm nnnn oooo pppp."],
  );
});

test("Each chunk lies in its parent, and parents hold more than one", () => {
  const blocks = Array.from({ length: 6 }, (_, index) => paragraph(`aa bb cc dd ee ff gg hh ${index}`));
  const { chunks, parents } = chunkDocument(
    { id: "a", title: "", blocks },
    { maxTokens: 10, overlapTokens: 0, parentTokens: 30 },
    countTokens,
  );
  assert.is(parents.length, 2);
  for (const chunk of chunks) assert.ok(parents.find((parent) => parent.id === chunk.parentId)?.text.includes(chunk.text));
});

const words = fc.oneof(
  fc.stringMatching(/^[a-z]{1,9}[.]?$/),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
  fc.constant("x".repeat(300)),
  fc.constant("😀".repeat(40)),
);
const block = fc
  .record({
    level: fc.constantFrom(0, 0, 0, 1, 2, 3),
    text: fc.array(words, { minLength: 1, maxLength: 60 }).map((list) => list.join(" ").trim()),
  })
  .filter(({ text }) => text !== "")
  .map(({ level, text }): Block => (level === 0 ? paragraph(text) : heading(level, text)));

test("Chunks cover the text in order, with exact offsets, none above its limit, none splitting a surrogate pair", () => {
  const settings = fc.record({
    maxTokens: fc.integer({ min: 4, max: 40 }),
    overlapTokens: fc.integer({ min: 0, max: 8 }),
    parentTokens: fc.constantFrom(0, 60, 200),
  });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), settings, (blocks, chunking) => {
      const { text, chunks, parents } = chunkDocument({ id: "d", title: "t", blocks }, chunking, countTokens);
      if (blocks.length === 0) return;
      let covered = 0;
      chunks.forEach((chunk, index) => {
        assert.is(chunk.ordinal, index);
        assert.is(chunk.text, text.slice(chunk.startOffset, chunk.endOffset));
        assert.is(text.slice(covered, Math.max(covered, chunk.startOffset)).trim(), "", "nothing lies between two chunks");
        assert.ok(chunk.endOffset > covered, "each chunk goes on where the one before ended");
        assert.ok(countTokens(chunk.text) <= chunking.maxTokens, `${countTokens(chunk.text)} tokens are too many`);
        assert.ok(!/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/.test(chunk.text));
        if (chunking.parentTokens > 0) assert.ok(parents.find((parent) => parent.id === chunk.parentId)?.text.includes(chunk.text));
        covered = chunk.endOffset;
      });
      assert.is(text.slice(covered).trim(), "");
    }),
    { numRuns: 300 },
  );
});

test.run();
