import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Attributes,
  type AttributeValue,
  bothOf,
  COMPARISONS,
  type Filter,
  matches,
} from "../../../../../actors/vector_store/filter.ts";
import { anyPrincipals, anyVisible } from "../../../vector_store/chunk_rows.ts";
import { ALL, idsOf, indexOf, mergeNow, rowOf } from "./index_rig.ts";

const test = suite("filter columns");

const VALUES: Readonly<Record<string, fc.Arbitrary<AttributeValue>>> = {
  lang: fc.constantFrom("en", "de", "", "e\u0301", "\ud800", "\ufffd", "'", "\\", "\u{1f600}", "__proto__"),
  year: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(-0, 0.5, Number.MAX_VALUE, Number.MIN_VALUE)),
  open: fc.boolean(),
};

const attributes: fc.Arbitrary<Attributes> = fc.record(VALUES, { requiredKeys: [] }) as fc.Arbitrary<Attributes>;

const comparison: fc.Arbitrary<Filter> = fc.constantFrom(...COMPARISONS).chain((type) =>
  fc.constantFrom("lang", "year", "open", "unknown").chain((key) => {
    const one = VALUES[key] ?? fc.constant("anything");
    const value: fc.Arbitrary<AttributeValue | AttributeValue[]> = type === "in" || type === "nin" ? fc.array(one, { maxLength: 3 }) : one;
    return value.map((value) => ({ type, key, value }));
  }),
);

const filter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: "small" },
    comparison,
    fc.record({ type: fc.constantFrom("and", "or"), filters: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
  ),
})).filter;

test("A search with a filter brings up exactly the rows whose attributes match, before and after a merge", () => {
  fc.assert(
    fc.property(
      fc.array(attributes, { minLength: 1, maxLength: 40 }),
      fc.array(attributes, { maxLength: 5 }),
      filter,
      (base, later, filter) => {
        const rows = [...base, ...later].map((attributes, at) => rowOf({ id: `d${at}#0`, text: "radio", attributes }));
        const index = indexOf(rows.slice(0, base.length));
        for (const row of rows.slice(base.length)) index.replaceDocuments([row.documentId], [row], 2);
        const expected = rows.filter((row) => matches(filter, row.attributes)).map((row) => row.id);
        for (const step of ["before", "after"]) {
          assert.equal(idsOf(index, index.searchText("radio", { ...ALL, filter })).sort(), expected.sort(), `words, ${step} the merge`);
          const byVector = index.searchVector(Float32Array.of(1, 1, 0, 0), { ...ALL, filter });
          assert.equal(idsOf(index, byVector).sort(), expected, `vector, ${step} the merge`);
          mergeNow(index);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("A search for principals brings up exactly the rows that are for them, before and after a merge", () => {
  fc.assert(
    fc.property(
      fc.array(anyPrincipals, { minLength: 1, maxLength: 40 }),
      fc.array(anyPrincipals, { maxLength: 5 }),
      anyVisible,
      fc.option(filter),
      (base, later, visible, own) => {
        const asked = bothOf(own, visible) ?? visible;
        const rows = [...base, ...later].map((principals, at) =>
          rowOf({ id: `d${at}#0`, text: "radio", principals, attributes: { year: at % 4 } }),
        );
        const index = indexOf(rows.slice(0, base.length));
        for (const row of rows.slice(base.length)) index.replaceDocuments([row.documentId], [row], 2);
        const expected = rows.filter((row) => matches(asked, row.attributes, row.principals)).map((row) => row.id);
        for (const step of ["before", "after"]) {
          assert.equal(
            idsOf(index, index.searchText("radio", { ...ALL, filter: asked })).sort(),
            expected.sort(),
            `words, ${step} the merge`,
          );
          const byVector = index.searchVector(Float32Array.of(1, 1, 0, 0), { ...ALL, filter: asked });
          assert.equal(idsOf(index, byVector).sort(), expected, `vector, ${step} the merge`);
          mergeNow(index);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("A search takes the list of allowed rows where they are few and the mask where they are many, with the same result", () => {
  const rows = Array.from({ length: 400 }, (_, at) =>
    rowOf({ id: `d${at}#0`, text: "radio", vector: [Math.cos(at), Math.sin(at), 0, 0], attributes: { n: at } }),
  );
  for (const bitsFromRows of [0, 20_000]) {
    const index = indexOf(rows, { bitsFromRows });
    const query = Float32Array.of(1, 0, 0, 0);
    const all = idsOf(index, index.searchVector(query, { ...ALL, limit: 400 }));
    for (const below of [5, 59, 61, 200, 400]) {
      const found = index.searchVector(query, { ...ALL, limit: 10, filter: { type: "lt", key: "n", value: below } });
      const expected = all.filter((id) => Number(id.slice(1, id.indexOf("#"))) < below).slice(0, 10);
      assert.equal(idsOf(index, found), expected, `below ${below}`);
    }
  }
});

test.run();
