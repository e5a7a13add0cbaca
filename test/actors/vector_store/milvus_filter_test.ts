import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AttributeType } from "../../../actors/vector_store/filter.ts";
import { isOneOf, milvusFilter, milvusLiteral } from "../../../actors/vector_store/milvus_filter.ts";
import { anyFilter, HOSTILE_STRINGS, PROPERTY_SCHEMA } from "./chunk_rows.ts";

const test = suite("Milvus' filters");
const types = new Map<string, AttributeType>(Object.entries(PROPERTY_SCHEMA));

/** Literals as Milvus' grammar reads them. */
const STRING = /"(?:[^"\\\r\n]|\\["\\nr])*"/g;

test("A string literal ends where it should: nothing inside closes its quotes or its line", () => {
  fc.assert(
    fc.property(fc.oneof(fc.constantFrom(...HOSTILE_STRINGS), fc.string({ unit: "binary" })), (text) => {
      const written = milvusLiteral(text);
      assert.equal(written.match(STRING), [written]);
      const unescaped = written.slice(1, -1).replaceAll(/\\(.)/g, (_, unit: string) => ({ n: "\n", r: "\r" })[unit] ?? unit);
      assert.is(unescaped, text.toWellFormed());
    }),
  );
});

test("A number literal is read back as the same double", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.match(milvusLiteral(value), /^-?\d(?:\.\d+)?e[+-]\d+$/);
      assert.ok(Number(milvusLiteral(value)) === value);
    }),
  );
  assert.throws(() => milvusLiteral(Number.NaN), RangeError);
  assert.throws(() => milvusLiteral(Number.POSITIVE_INFINITY), RangeError);
});

test("Outside of its literals a filter has Kennel's own words only, and its brackets close", () => {
  const words = new Set([
    "and",
    "or",
    "not",
    "exists",
    "in",
    "id",
    "true",
    "false",
    ...Object.keys(PROPERTY_SCHEMA).map((key) => `attr_${key}`),
  ]);
  fc.assert(
    fc.property(anyFilter, (filter) => {
      const rest = milvusFilter(filter, types)
        .replaceAll(STRING, "")
        .replaceAll(/-?\d(?:\.\d+)?e[+-]\d+/g, "");
      for (const word of rest.match(/[^\s()[\],=<>!]+/g) ?? []) assert.ok(words.has(word), `${word} in ${rest}`);
      let depth = 0;
      for (const bracket of rest.match(/[()]/g) ?? []) {
        depth += bracket === "(" ? 1 : -1;
        assert.ok(depth >= 0);
      }
      assert.is(depth, 0);
    }),
  );
});

test("An attribute that the index lacks satisfies only what a missing one does, and an empty list nothing", () => {
  assert.is(milvusFilter({ type: "eq", key: "year", value: 1 }, new Map()), '(id < "")');
  assert.is(milvusFilter({ type: "nin", key: "year", value: [1] }, new Map()), '(id >= "")');
  assert.is(isOneOf("id", []), 'id < ""');
});

test.run();
