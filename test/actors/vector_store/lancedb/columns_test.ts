import { test } from "uvu";
import * as assert from "uvu/assert";
import { arrow } from "../../../../actors/vector_store/lancedb/arrow.ts";
import { textColumn } from "../../../../actors/vector_store/lancedb/columns.ts";
import { seededRandom } from "../../../../runtime/random.ts";

/** One to four bytes each, and both halves of a pair, which meet their other half or do not. */
const UNITS = ["a", "z", "\u0000", "é", "ß", "漢", "\uffff", "😀", "\ud83d", "\ude00"];

test("A column of texts holds each text as UTF-8 of its own, whatever stands before and after it", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random.next() * limit);
    const kinds = 1 + below(UNITS.length); // few kinds: columns of ASCII alone come up, too
    const text = () => Array.from({ length: below(6) }, () => UNITS[below(kinds)]).join("");
    const values = Array.from({ length: below(20) }, () => (below(5) === 0 ? null : text()));
    const column = arrow.makeVector(textColumn(values));
    const expected = values.map((value) => value?.toWellFormed() ?? null);
    assert.equal([...column], expected, `seed ${seed}`);
    assert.is(column.nullCount, expected.filter((value) => value === null).length, `seed ${seed}`);
  }
});

test.run();
