import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type AttributeSchema,
  bothOf,
  checkFilter,
  compareValues,
  FILTER_LIMITS,
  type Filter,
  matches,
} from "../../../actors/vector_store/filter.ts";
import { KennelError } from "../../../runtime/errors.ts";
import { anyAttributes, anyFilter, HOSTILE_STRINGS, PROPERTY_SCHEMA } from "./chunk_rows.ts";

const filter = suite("filter");
const schema: AttributeSchema = { lang: "string", year: "number", isOpen: "boolean" };

function refusal(input: unknown): KennelError {
  try {
    checkFilter(input, schema);
  } catch (thrown) {
    assert.instance(thrown, KennelError);
    assert.is((thrown as KennelError).code, "invalid_request");
    return thrown as KennelError;
  }
  throw new Error(`Expected a refusal of ${JSON.stringify(input)}`);
}

filter("A checked filter comes back as it was given", () => {
  fc.assert(fc.property(anyFilter, (given) => assert.equal(checkFilter(given, PROPERTY_SCHEMA), given)));
});

filter("A refusal names the exact place, what was given and what is allowed", () => {
  const eq = { type: "eq", key: "lang", value: "en" };
  const cases: readonly (readonly [unknown, string, string])[] = [
    [null, "filters", "null"],
    [[], "filters", "a list of 0"],
    ["x", "filters", '"x"'],
    [{}, "filters.type", "missing"],
    [{ ...eq, type: "like" }, "filters.type", '"like"'],
    [{ ...eq, key: "color" }, "filters.key", "isOpen, lang, year"],
    [{ ...eq, key: "toString" }, "filters.key", '"toString"'],
    [{ ...eq, key: "__proto__" }, "filters.key", '"__proto__"'],
    [{ ...eq, value: 1 }, "filters.value", "a string"],
    [{ ...eq, value: ["en"] }, "filters.value", "a list of 1"],
    [{ ...eq, boost: 2 }, "filters.boost", "type, key, value"],
    [{ type: "in", key: "lang", value: "en" }, "filters.value", "a list"],
    [{ type: "in", key: "lang", value: ["en", null] }, "filters.value[1]", "null"],
    [{ type: "gt", key: "year", value: Number.POSITIVE_INFINITY }, "filters.value", "finite number"],
    [{ type: "eq", key: "year", value: "2024" }, "filters.value", "finite number"],
    [{ type: "eq", key: "isOpen", value: 1 }, "filters.value", "boolean"],
    [{ type: "and", filters: [] }, "filters.filters", "a list of 0"],
    [{ type: "and", filters: eq }, "filters.filters", "an object"],
    [{ type: "or", filters: [eq, { type: "and", filters: [eq, { ...eq, value: true }] }] }, "filters.filters[1].filters[1].value", "true"],
  ];
  for (const [input, param, word] of cases) {
    const error = refusal(input);
    assert.is(error.param, param);
    assert.ok(error.message.includes(word), `${error.message} lacks ${word}`);
  }
});

filter("A filter at each of its limits passes and one beyond it is refused", () => {
  const eq: Filter = { type: "eq", key: "year", value: 1 };
  const nest = (depth: number): Filter => (depth === 0 ? eq : { type: "and", filters: [nest(depth - 1)] });
  const wide = (count: number): Filter => ({ type: "or", filters: Array.from({ length: count }, () => eq) });
  const list = (count: number): Filter => ({ type: "in", key: "year", value: Array.from({ length: count }, (_, place) => place) });
  const long = (length: number): Filter => ({ type: "eq", key: "lang", value: "x".repeat(length) });
  const limits = [
    [nest, FILTER_LIMITS.maxDepth],
    [wide, FILTER_LIMITS.maxComparisons],
    [list, FILTER_LIMITS.maxListValues],
    [long, FILTER_LIMITS.maxStringLength],
  ] as const;
  for (const [make, limit] of limits) {
    checkFilter(make(limit), schema);
    refusal(make(limit + 1));
  }
});

filter("Whatever is given, a check ends with a filter or a refusal", () => {
  fc.assert(
    fc.property(fc.anything(), (input) => {
      try {
        checkFilter(input, schema);
      } catch (thrown) {
        assert.instance(thrown, KennelError);
      }
    }),
  );
});

filter("A missing attribute satisfies ne and nin and no other comparison", () => {
  const passing = (["eq", "ne", "gt", "gte", "lt", "lte"] as const).filter((type) => matches({ type, key: "year", value: 1 }, {}));
  assert.equal(passing, ["ne"]);
  assert.is(matches({ type: "in", key: "year", value: [1] }, {}), false);
  assert.is(matches({ type: "nin", key: "year", value: [1] }, {}), true);
  assert.is(matches({ type: "eq", key: "constructor", value: "x" }, {}), false);
});

filter("ne is what eq is not, nin what in is not, and a list stands for its values", () => {
  fc.assert(
    fc.property(anyFilter, anyAttributes, (given, attributes) => {
      if (given.type === "and" || given.type === "or" || given.type === "visible") return;
      const opposite = ({ eq: "ne", ne: "eq", in: "nin", nin: "in", gt: null, gte: null, lt: null, lte: null } as const)[given.type];
      if (opposite !== null) assert.is(matches({ ...given, type: opposite } as Filter, attributes), !matches(given, attributes));
      if (given.type !== "in") return;
      const values = given.value as readonly string[];
      assert.is(matches(given, attributes), values.some((value) => matches({ type: "eq", key: given.key, value }, attributes))); // biome-ignore format: one claim
    }),
  );
});

filter("No request can say whose documents are visible", () => {
  for (const principals of [[], ["user:ann"]])
    assert.match(refusal({ type: "visible", principals, isOpen: true }).message, /filters.type is "visible"; allowed: one of eq, ne/);
});

filter("A document is visible to its principals, and to everyone without any where that is open; not known, to nobody", () => {
  const asking = (principals: readonly string[], isOpen: boolean) => ({ type: "visible", principals, isOpen }) as const;
  const cases: readonly (readonly [readonly string[] | null, boolean, boolean])[] = [
    [["user:ann"], true, true],
    [["user:bob", "group:staff"], true, true],
    [["user:bob"], false, false],
    [["user:an"], false, false],
    [["user:ann "], false, false],
    [[], true, false],
    [null, false, false],
  ];
  for (const [principals, whereOpen, whereRequired] of cases) {
    assert.is(matches(asking(["group:staff", "user:ann"], true), {}, principals), whereOpen);
    assert.is(matches(asking(["group:staff", "user:ann"], false), {}, principals), whereRequired);
  }
  assert.is(matches(asking([], true), {}, ["user:ann"]), false);
  const both = bothOf({ type: "or", filters: [{ type: "eq", key: "year", value: 1 }, { type: "ne", key: "year", value: 1 }] }, asking([], true)); // biome-ignore format: one filter
  assert.is(both !== null && matches(both, { year: 1 }, ["user:ann"]), false, "a filter that lets all pass widens nothing");
});

filter("Strings are ordered as their UTF-8 bytes are", () => {
  const text = fc.oneof(fc.constantFrom(...HOSTILE_STRINGS), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(text, text, (left, right) => {
      assert.is(Math.sign(compareValues(left, right)), Buffer.compare(Buffer.from(left), Buffer.from(right)));
    }),
  );
});

filter.run();
