import { kennelError } from "../../../runtime/errors.ts";
import { ATTRIBUTE_KEY, type AttributeSchema, type AttributeType } from "../filter.ts";
import type { IndexName, IndexSchema } from "../vector_store.ts";

/** What the adapter knows of a collection. */
export interface CollectionLayout {
  readonly name: string;
  readonly dimensions: number;
  readonly language: string;
  readonly attributes: ReadonlyMap<string, AttributeType>;
  /** Whether the server ranks its texts by BM25. */
  readonly hasText: boolean;
}

export const FIELDS = {
  id: "id",
  documentId: "document_id",
  ordinal: "ordinal",
  /** Empty: none. Servers before 2.5 have no null. */
  parentId: "parent_id",
  title: "title",
  url: "url",
  text: "text",
  indexText: "index_text",
  principals: "principals",
  updatedAtMs: "updated_at_ms",
  vector: "vector",
  /** False where the vector is zeros because the text has none. */
  hasVector: "has_vector",
  /** The analysed text, word by word, and what BM25 makes of it; only where the server can. */
  terms: "terms",
  termWeights: "term_weights",
} as const;

/** All fields that the server has no schema for. */
export const DYNAMIC_FIELD = "$meta";

/** UTF-8 bytes of one string: what VarChar can hold. */
export const MAX_STRING_BYTES = 65_535;
const MAX_ID_BYTES = 4_096;
const MAX_PRINCIPALS = 4_096;
const MAX_PRINCIPAL_BYTES = 1_024;

/** `docs` version 2 lies in `kennel_docs_v2`, and `kennel_docs` is the alias of the version in service. */
export function collectionName(index: IndexName): string {
  if (!Number.isSafeInteger(index.version) || index.version < 0) throw badName();
  return `${aliasName(index.collection)}_v${index.version}`;
}

/** Milvus knows letters, digits and underscores; what stands for `-` and `_` keeps different names apart. */
export function aliasName(collection: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(collection)) throw badName();
  return `kennel_${collection.replaceAll("_", "__").replaceAll("-", "_h")}`;
}

function badName() {
  return kennelError("invalid_request", { message: "Cannot name an index: collection or version is not valid" });
}

interface TypeNumbers {
  readonly VarChar: number;
  readonly Int32: number;
  readonly Double: number;
  readonly Bool: number;
  readonly Array: number;
  readonly FloatVector: number;
  readonly SparseFloatVector: number;
}

/** @param types the driver's numbers of the types */
export function collectionFields(schema: IndexSchema, hasText: boolean, types: TypeNumbers) {
  const string = (name: string, maxBytes: number) => ({ name, data_type: types.VarChar, max_length: maxBytes });
  return [
    { ...string(FIELDS.id, MAX_ID_BYTES), is_primary_key: true, autoID: false },
    string(FIELDS.documentId, MAX_ID_BYTES),
    { name: FIELDS.ordinal, data_type: types.Int32 },
    string(FIELDS.parentId, MAX_ID_BYTES),
    string(FIELDS.title, MAX_STRING_BYTES),
    string(FIELDS.url, MAX_STRING_BYTES),
    string(FIELDS.text, MAX_STRING_BYTES),
    string(FIELDS.indexText, MAX_STRING_BYTES),
    {
      name: FIELDS.principals,
      data_type: types.Array,
      element_type: types.VarChar,
      max_capacity: MAX_PRINCIPALS,
      max_length: MAX_PRINCIPAL_BYTES,
    },
    { name: FIELDS.updatedAtMs, data_type: types.Double },
    { name: FIELDS.hasVector, data_type: types.Bool },
    { name: FIELDS.vector, data_type: types.FloatVector, dim: schema.dimensions },
    ...(hasText
      ? [
          { ...string(FIELDS.terms, MAX_STRING_BYTES), enable_analyzer: true, analyzer_params: { tokenizer: "standard" } },
          { name: FIELDS.termWeights, data_type: types.SparseFloatVector },
        ]
      : []),
  ];
}

/** The property of a collection that keeps what its fields don't say. */
export const SCHEMA_PROPERTY = "kennel.schema";

export function schemaProperty(language: string, attributes: AttributeSchema): string {
  return JSON.stringify({ language, attributes });
}

export interface Described {
  readonly schema: { readonly fields: readonly { readonly name: string; readonly type_params: readonly KeyValue[] }[] };
  readonly properties: readonly KeyValue[];
}

interface KeyValue {
  readonly key: string;
  readonly value: unknown;
}

export function readLayout(name: string, { schema, properties }: Described): CollectionLayout {
  const vector = schema.fields.find((field) => field.name === FIELDS.vector);
  const dimensions = Number(vector?.type_params.find(({ key }) => key === "dim")?.value);
  if (!Number.isSafeInteger(dimensions))
    throw kennelError("conflict", { message: "A collection of this name in Milvus is not one of Kennel's" });
  const property = properties.find(({ key }) => key === SCHEMA_PROPERTY)?.value;
  const known = typeof property === "string" ? (JSON.parse(property) as { language: string; attributes: AttributeSchema }) : null;
  return {
    name,
    dimensions,
    language: known?.language ?? "none",
    attributes: new Map(Object.entries(known?.attributes ?? {})),
    hasText: schema.fields.some((field) => field.name === FIELDS.termWeights),
  };
}

/** Attributes of `wanted` that the index lacks. Throws `conflict` where it has one of another type. */
export function missingAttributes(layout: CollectionLayout, wanted: AttributeSchema): AttributeSchema {
  const missing: [string, AttributeType][] = [];
  for (const [key, type] of Object.entries(wanted)) {
    if (!ATTRIBUTE_KEY.test(key)) throw kennelError("invalid_request", { message: "Cannot store an attribute: its key is not valid" });
    const held = layout.attributes.get(key);
    if (held !== undefined && held !== type) {
      const message = `Attribute "${key}" is a ${held} in the index and cannot become a ${type}`;
      throw kennelError("conflict", { param: `attributes.${key}`, message });
    }
    if (held === undefined) missing.push([key, type]);
  }
  return Object.fromEntries(missing);
}
