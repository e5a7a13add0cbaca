import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filterToQuery } from "../../../actors/document_store/mongodb/filter_query.ts";
import { ATTRIBUTE_KEY, type Filter } from "../../../actors/vector_store/filter.ts";
import { KennelError } from "../../../runtime/errors.ts";

const test = suite("MongoDB's filter");

const OURS = new Set(["$and", "$or", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin"]);
const hostile = fc.constantFrom("$where", "a.b", "$eq", "attributes", "", "__proto__", "a\u0000b", "year", "_id", "$$ROOT");
const values = fc.oneof(fc.string(), hostile, fc.double({ noNaN: true }), fc.boolean());
const anything = fc.oneof(values, fc.object({ key: hostile }), fc.constant(null), fc.array(fc.object({ key: hostile })));

const comparison = fc.record({
  type: fc.constantFrom("eq", "ne", "gt", "gte", "lt", "lte"),
  key: fc.oneof(hostile, fc.string()),
  value: anything,
});
const list = fc.record({ type: fc.constantFrom("in", "nin"), key: hostile, value: fc.array(anything, { maxLength: 4 }) });
const filters = fc.letrec((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    comparison,
    list,
    fc.record({ type: fc.constantFrom("and", "or"), filters: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
  ),
})).filter as fc.Arbitrary<Filter>;

test("Whatever keys and values are given, the query has only operators of ours, paths into attributes, and plain values", () => {
  let accepted = 0;
  fc.assert(
    fc.property(filters, (filter) => {
      try {
        check(filterToQuery(filter));
        accepted += 1;
      } catch (error) {
        assert.instance(error, KennelError);
        assert.is((error as KennelError).code, "invalid_request");
      }
    }),
    { numRuns: 2_000 },
  );
  assert.ok(accepted > 50, `${accepted} of them were accepted`);
});

test("A value that looks like an operator is compared as what it is", () => {
  assert.equal(filterToQuery({ type: "eq", key: "lang", value: "$where" }), { "attributes.lang": { $eq: "$where" } });
  assert.equal(filterToQuery({ type: "nin", key: "year", value: [-0, 3] }), { "attributes.year": { $nin: [0, 3] } });
  assert.throws(() => filterToQuery({ type: "eq", key: "lang", value: { $ne: 1 } as unknown as string }), /neither string/);
  assert.throws(() => filterToQuery({ type: "eq", key: "lang.$ne", value: 1 }), /filters has the key/);
});

test.run();

function check(query: unknown): void {
  assert.ok(typeof query === "object" && query !== null);
  for (const [key, value] of Object.entries(query as object)) {
    if (key === "$and" || key === "$or") {
      for (const part of value as unknown[]) check(part);
      continue;
    }
    assert.ok(key.startsWith("attributes.") && ATTRIBUTE_KEY.test(key.slice("attributes.".length)), key);
    for (const [operator, operand] of Object.entries(value as object)) {
      assert.ok(OURS.has(operator), operator);
      for (const plain of Array.isArray(operand) ? operand : [operand]) assert.ok(["string", "number", "boolean"].includes(typeof plain));
    }
  }
}
