import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import { decodeSnapshot, encodeSnapshot, loadSnapshot, saveSnapshot } from "../../../../../actors/retriever/index/resident/snapshot.ts";
import { ALL, idsOf, imageOf, openImage, rowOf } from "./index_rig.ts";

const test = suite("index snapshot");
const EXPECTED = { indexVersion: 1, language: "english", dimensions: 4 };

const image = imageOf(
  Array.from({ length: 60 }, (_, at) =>
    rowOf({
      id: `d${at}#0`,
      text: `radio number${at} \u{1f4fb}`,
      vector: at % 9 === 0 ? null : [Math.cos(at), Math.sin(at), 0.1, 0],
      attributes: { lang: at % 2 === 0 ? "en" : "d\ud800", n: at, even: at % 2 === 0 },
    }),
  ),
  { bitsFromRows: 0, parents: new Map([["d5/parent", "all of \u{1f4fb}"]]) },
);
const file = Buffer.concat(encodeSnapshot(image).map((part) => part.slice()));

test("A snapshot comes back as the index it was made of", () => {
  const outcome = decodeSnapshot(file, EXPECTED);
  assert.is(outcome.kind, "loaded");
  if (outcome.kind !== "loaded") return;
  const [before, after] = [openImage(image), openImage(outcome.image)];
  const filter = { type: "eq", key: "lang", value: "d\ud800" } as const;
  for (const options of [ALL, { ...ALL, filter }]) {
    const query = Float32Array.of(0.5, 0.5, 0, 0);
    assert.equal(after.searchVector(query, options), before.searchVector(query, options));
    assert.equal(after.searchText("radio number7", options), before.searchText("radio number7", options));
  }
  assert.equal(after.names(5), before.names(5));
  assert.equal(after.passage(5).bytes.slice(), before.passage(5).bytes.slice());
  for (const row of [5, 6, 7]) assert.equal(parentOf(after, row), parentOf(before, row));
  assert.ok(Array.from({ length: 60 }, (_, row) => parentOf(after, row)).includes(',"text":"all of \u{1f4fb}"'));
  assert.equal(idsOf(after, after.searchText("number7", ALL)), ["d7#0"]);
});

test("A snapshot with any one bit flipped is refused", () => {
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.nat(7), (at, bit) => {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] as number) ^ (1 << bit);
      const { kind } = decodeSnapshot(changed, EXPECTED);
      // The last 8 bytes of the preamble are not used.
      assert.is(kind, at >= 24 && at < 32 ? "loaded" : "refused", `bit ${bit} of byte ${at}`);
    }),
    { numRuns: 500 },
  );
});

test("A snapshot that is cut short anywhere, or longer than it says, is refused", () => {
  fc.assert(
    fc.property(fc.nat(file.length - 1), (length) => {
      assert.is(decodeSnapshot(file.subarray(0, length), EXPECTED).kind, "refused");
    }),
  );
  assert.is(decodeSnapshot(Buffer.concat([file, Buffer.of(0)]), EXPECTED).kind, "refused");
});

test("A snapshot of another format, index version, language or number of dimensions is refused, with the reason", () => {
  for (const version of [1, 2, 3, 5]) {
    const other = Buffer.from(file);
    other.writeUInt32LE(version, 4);
    assert.match(reason(decodeSnapshot(other, EXPECTED)), new RegExp(`format version ${version}`));
  }
  assert.match(reason(decodeSnapshot(file, { ...EXPECTED, indexVersion: 2 })), /indexVersion is 1, the collection's is 2/);
  assert.match(reason(decodeSnapshot(file, { ...EXPECTED, language: "german" })), /language is english/);
  assert.match(reason(decodeSnapshot(file, { ...EXPECTED, dimensions: 8 })), /dimensions is 4/);
});

test("saveSnapshot leaves one whole file, loadSnapshot reads it, and tells a missing one from a damaged one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kennel-snapshot-"));
  try {
    const path = join(folder, "docs.index");
    assert.is((await loadSnapshot(path, EXPECTED)).kind, "missing");
    await writeFile(`${path}.tmp`, "left behind by a process that died");
    assert.is(await saveSnapshot(image, path), file.length);
    assert.equal(await readdir(folder), ["docs.index"]);
    assert.is((await loadSnapshot(path, EXPECTED)).kind, "loaded");
    await writeFile(path, file.subarray(0, 100));
    assert.is((await loadSnapshot(path, EXPECTED)).kind, "refused");
  } finally {
    await rm(folder, { recursive: true });
  }
});

function parentOf(index: ResidentIndex, row: number): string {
  const text = index.parentText(row);
  return text instanceof Uint8Array ? new TextDecoder().decode(text.slice()) : text;
}

function reason(outcome: ReturnType<typeof decodeSnapshot>): string {
  return outcome.kind === "refused" ? outcome.reason : outcome.kind;
}

test.run();
