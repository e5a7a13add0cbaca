import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ALL, idsOf, imageOf, mergeNow, openImage, rowOf } from "./index_rig.ts";

const test = suite("index image");

/** Whatever a document may be called: what JSON escapes, halves of pairs, and ids that begin as others do. */
const name = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "#", "1", '"', "\\", "\n", "\u0000", "é", "\u{1f4fb}"), minLength: 1, maxLength: 5 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 4 }),
);

test("Rows are found by their documents' ids, whatever these are made of", () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), fc.nat(7), (names, place) => {
      const rows = names.flatMap((document) => [0, 1].map((ordinal) => rowOf({ id: `${document}#${ordinal}`, text: "radio" })));
      const index = openImage(imageOf(rows));
      const all = () => idsOf(index, index.searchText("radio", ALL)).sort();
      assert.equal(all(), rows.map(({ id }) => id).sort());
      const gone = names[place % names.length] ?? "";
      const left = rows.filter(({ documentId }) => documentId !== gone).map(({ id }) => id);
      index.replaceDocuments([gone], [], 2);
      assert.equal(all(), left.sort());
      mergeNow(index);
      assert.equal(all(), left.sort());
    }),
    { numRuns: 300 },
  );
});

test.run();
