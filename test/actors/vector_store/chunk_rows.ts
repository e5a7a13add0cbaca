import * as fc from "fast-check";
import type { AttributeSchema, AttributeValue, Filter, VisibleFilter } from "../../../actors/vector_store/filter.ts";
import type { ChunkRow } from "../../../actors/vector_store/vector_store.ts";

/** A row with every field filled in; `id` is made of the document and the ordinal. */
export function chunkRow(documentId: string, ordinal: number, fields: Partial<ChunkRow> = {}): ChunkRow {
  return {
    id: `${documentId}#${ordinal}`,
    documentId,
    ordinal,
    parentId: null,
    title: `Title of ${documentId}`,
    url: "",
    text: `text of ${documentId}`,
    indexText: `word ${documentId}`,
    attributes: {},
    principals: [],
    vector: unitVector(1, 1, 1, 1),
    updatedAtMs: 1000,
    ...fields,
  };
}

export function unitVector(...components: number[]): Float32Array {
  const norm = Math.hypot(...components);
  return Float32Array.from(components, (component) => component / norm);
}

/** Strings that would leave a badly written literal, or mean something to a parser, a pattern or a file system. */
export const HOSTILE_STRINGS = [
  "'",
  "''",
  "\\",
  "\\'",
  "' OR 1==1 --",
  "or 1==1",
  '"',
  "`",
  "%",
  "_",
  "a\nb",
  "\r\n",
  "\t",
  "a\0b",
  "\0",
  "",
  " ",
  "{v0}",
  "$1",
  "?",
  "; DROP TABLE docs",
  "/* */",
  "é",
  "e\u0301",
  "漢字",
  "😀",
  "\ud800",
  "\uffff",
  "\u2028",
  "../../etc",
  "NULL",
  "null",
  "true",
  "1",
  "__proto__",
] as const;

export const PROPERTY_SCHEMA = {
  lang: "string",
  Lang: "string",
  year: "number",
  isOpen: "boolean",
  constructor: "string",
} as const satisfies AttributeSchema;
type Key = keyof typeof PROPERTY_SCHEMA;

const NUMBERS = [0, -0, 1, -1, 0.1, 2024, 1e21, -1e-7, 5e-324, Number.MAX_SAFE_INTEGER + 2, Number.MAX_VALUE] as const;

function attributeValue(key: Key): fc.Arbitrary<AttributeValue> {
  switch (PROPERTY_SCHEMA[key]) {
    case "string":
      return fc.oneof(fc.constantFrom(...HOSTILE_STRINGS), fc.string({ unit: "binary", maxLength: 6 }));
    case "number":
      return fc.oneof(fc.constantFrom(...NUMBERS), fc.double({ noNaN: true, noDefaultInfinity: true }));
    default:
      return fc.boolean();
  }
}

const KEYS = Object.keys(PROPERTY_SCHEMA) as Key[];

export const anyAttributes: fc.Arbitrary<Record<string, AttributeValue>> = fc
  .tuple(...KEYS.map((key) => fc.option(attributeValue(key), { nil: undefined })))
  .map((values) => Object.fromEntries(KEYS.flatMap((key, place) => (values[place] === undefined ? [] : [[key, values[place]]]))));

const plain = { noNullPrototype: true } as const;

const anyComparison: fc.Arbitrary<Filter> = fc
  .constantFrom(...KEYS)
  .chain((key) =>
    fc.oneof(
      fc.record(
        { type: fc.constantFrom("eq", "ne", "gt", "gte", "lt", "lte" as const), key: fc.constant(key), value: attributeValue(key) },
        plain,
      ),
      fc.record(
        { type: fc.constantFrom("in", "nin" as const), key: fc.constant(key), value: fc.array(attributeValue(key), { maxLength: 4 }) },
        plain,
      ),
    ),
  );

export const anyFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    anyComparison,
    fc.record({ type: fc.constantFrom("and", "or" as const), filters: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }, plain),
  ),
})).filter;

/** Principals as a document may have them: no NUL, no half of a character. */
const PRINCIPALS = ["user:ann", "user:an", "group:staff", ...HOSTILE_STRINGS.filter((text) => text.isWellFormed() && !text.includes("\0"))];

/** Lists are sorted and have each principal once, as they are stored and asked for. */
export const anyPrincipals: fc.Arbitrary<readonly string[]> = fc
  .uniqueArray(fc.constantFrom(...PRINCIPALS), { maxLength: 4 })
  .map((principals) => principals.sort());

export const anyVisible: fc.Arbitrary<VisibleFilter> = fc.record({
  type: fc.constant("visible" as const),
  principals: anyPrincipals,
  isOpen: fc.boolean(),
});
