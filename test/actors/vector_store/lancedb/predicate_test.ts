import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AttributeType } from "../../../../actors/vector_store/filter.ts";
import { filterPredicate, isOneOf, literal } from "../../../../actors/vector_store/lancedb/predicate.ts";
import { HOSTILE_STRINGS } from "../chunk_rows.ts";

const predicate = suite("lancedb predicate");
const types = new Map<string, AttributeType>([["lang", "string"]]);

predicate("A string literal ends where it should: nothing inside closes its quotes", () => {
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...HOSTILE_STRINGS), fc.string({ unit: "binary" })), (text) => {
      const written = literal(text);
      assert.match(written, /^'(?:[^']|'')*'$/);
      assert.is(written.slice(1, -1).replaceAll("''", "'"), text.toWellFormed());
    }),
  );
});

predicate("A number literal is read back as the same double, and always as a double", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.match(literal(value), /^-?\d(?:\.\d+)?e[+-]\d+$/);
      assert.ok(Number(literal(value)) === value);
    }),
  );
  assert.throws(() => literal(Number.NaN), RangeError);
  assert.throws(() => literal(Number.POSITIVE_INFINITY), RangeError);
});

predicate("A missing column satisfies only what a missing attribute does, and an empty list nothing", () => {
  assert.is(filterPredicate({ type: "eq", key: "year", value: 1 }, types), "false");
  assert.is(filterPredicate({ type: "nin", key: "year", value: [1] }, types), "true");
  assert.is(isOneOf("id", []), "false");
});

predicate("Filters inside one another keep their brackets", () => {
  const lang = (value: string) => ({ type: "eq", key: "lang", value }) as const;
  const filter = {
    type: "and",
    filters: [
      { type: "or", filters: [lang("a"), lang("b")] },
      { type: "ne", key: "lang", value: "c" },
    ],
  } as const;
  assert.is(
    filterPredicate(filter, types),
    "(((`attr_lang` = 'a') OR (`attr_lang` = 'b')) AND (`attr_lang` IS NULL OR `attr_lang` <> 'c'))",
  );
});

predicate.run();
