import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AdoptedColumn } from "../../../../../actors/vector_store/adoption.ts";
import type { Filter } from "../../../../../actors/vector_store/filter.ts";
import { adoptedFilter, columnName, idLiteral, isOneOfIds } from "../../../../../actors/vector_store/milvus/adopted/filter.ts";
import { adoptionOf } from "../../adoptions.ts";

const test = suite("filters over a collection of others");

const column = (type: AdoptedColumn["type"], changes: Partial<AdoptedColumn> = {}): AdoptedColumn => ({
  type,
  isDynamic: false,
  isNullable: false,
  isRequired: true,
  maxBytes: null,
  ...changes,
});

const DYNAMIC = { isDynamic: true, isNullable: true, isRequired: false };
const COLUMNS = {
  pk: column("integer"),
  year: column("integer"),
  born: column("integer", { isNullable: true }),
  price: column("float32"),
  ok: column("boolean"),
  lang: column("string", DYNAMIC),
  in: column("string", DYNAMIC),
} as const;

const ADOPTION = adoptionOf({
  fields: { id: "pk", vector: "embedding", text: null, documentId: null, title: null, url: null },
  columns: COLUMNS,
  attributes: { year: "number", born: "number", price: "number", ok: "boolean", lang: "string", in: "string" },
  hasDynamicField: true,
});

const EVERY = "pk >= -9223372036854775807";
const NONE = "pk < -9223372036854775807";

function becomes(filter: Filter, expression: string): void {
  assert.is(adoptedFilter(filter, ADOPTION), expression);
}

test("Whole numbers are written as such, and what no integer can be is decided here", () => {
  becomes({ type: "eq", key: "year", value: 1991 }, "(year in [1991])");
  becomes({ type: "eq", key: "year", value: 1991.5 }, `(${NONE})`);
  becomes({ type: "ne", key: "year", value: 1991.5 }, `(not (${NONE}))`);
  becomes({ type: "gt", key: "year", value: 1991.5 }, "(year >= 1992)");
  becomes({ type: "lt", key: "year", value: 1991.5 }, "(year <= 1991)");
  becomes({ type: "lte", key: "year", value: 1991 }, "(year <= 1991)");
  becomes({ type: "gt", key: "year", value: 1e300 }, `(${NONE})`);
  becomes({ type: "lt", key: "year", value: 1e300 }, "(year >= -9223372036854775807)");
  becomes({ type: "gt", key: "year", value: 2 ** 60 }, "(year > 1152921504606846976)");
  becomes({ type: "in", key: "year", value: [1, 0.5, 2] }, "(year in [1,2])");
});

test("Where a value may be missing, it is looked for, and its lack satisfies only ne and nin", () => {
  becomes({ type: "eq", key: "born", value: 1 }, "((born is not null) and (born in [1]))");
  becomes({ type: "nin", key: "born", value: [1] }, "((not (born is not null)) or (not (born in [1])))");
  becomes({ type: "ne", key: "lang", value: "en" }, '((not (exists lang)) or (not (lang in ["en"])))');
  becomes({ type: "eq", key: "ok", value: true }, `((${EVERY}) and ok in [true])`);
  becomes({ type: "eq", key: "unknown", value: 1 }, `(${NONE})`);
});

test("A 32-bit number is compared as one, and a key that is a word of Milvus goes through the dynamic field", () => {
  becomes({ type: "eq", key: "price", value: 1.1 }, "(price in [1.100000023841858e+0])");
  becomes({ type: "in", key: "in", value: ["a", 'b"'] }, '((exists $meta["in"]) and (($meta["in"] == "a" or $meta["in"] == "b\\"")))');
  assert.is(columnName('we-"ird', column("string", DYNAMIC)), '$meta["we-\\"ird"]');
});

test("Ids of integers are integers or in no row, and never more than one literal each", () => {
  const key = COLUMNS.pk;
  assert.is(isOneOfIds("pk", key, ["1", "-2", "x", "1 or 1 == 1", "99999999999999999999", "9223372036854775808"]), "pk in [1,-2]");
  assert.is(idLiteral(key, "007"), "7");
  assert.is(isOneOfIds("id", column("string"), ['a"] or id >= "', "b"]), 'id in ["a\\"] or id >= \\"","b"]');
});

test.run();
