import type { DataType, Field, FixedSizeList, Schema } from "apache-arrow";
import { kennelError } from "../../../runtime/errors.ts";
import { ATTRIBUTE_KEY, type AttributeSchema, type AttributeType } from "../filter.ts";
import type { IndexName, IndexSchema } from "../vector_store.ts";
import { arrow } from "./arrow.ts";
import { TEXT_LIST_TYPE, vectorType } from "./columns.ts";
import { attributeColumn, attributeOfColumn } from "./predicate.ts";

/** What the adapter knows of a table once it is open; changes only with `extendSchema`. */
export interface TableLayout {
  readonly dimensions: number;
  readonly attributes: ReadonlyMap<string, AttributeType>;
}

export const FIXED_COLUMNS = {
  id: "id",
  documentId: "document_id",
  ordinal: "ordinal",
  parentId: "parent_id",
  title: "title",
  url: "url",
  text: "text",
  indexText: "index_text",
  principals: "principals",
  updatedAtMs: "updated_at_ms",
  vector: "vector",
} as const;

/**
 * Of unit vectors it gives the order of the cosine. The store's own cosine takes 27 ms of processor time where this takes
 * 10 (11,429 rows, 256 dimensions), and its graph index answers with distances on another scale than its exact scan.
 */
export const DISTANCE = "l2";

/** `docs` version 2 lies in the table `docs.v2`. A collection's name has no dot, so that no two indexes share a table. */
export function tableName(index: IndexName): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(index.collection) || !Number.isSafeInteger(index.version) || index.version < 0) {
    throw kennelError("invalid_request", { message: "Cannot name an index: collection or version is not valid" });
  }
  return `${index.collection}.v${index.version}`;
}

/** Of a table's name; null: it is no index's. */
export function indexOfTable(name: string): IndexName | null {
  const [, collection, version] = /^([A-Za-z0-9_-]{1,64})\.v(\d{1,15})$/.exec(name) ?? [];
  return collection === undefined ? null : { collection, version: Number(version) };
}

export function tableSchema(schema: IndexSchema): Schema {
  return new arrow.Schema([
    new arrow.Field(FIXED_COLUMNS.id, new arrow.Utf8(), false),
    new arrow.Field(FIXED_COLUMNS.documentId, new arrow.Utf8(), false),
    new arrow.Field(FIXED_COLUMNS.ordinal, new arrow.Int32(), false),
    new arrow.Field(FIXED_COLUMNS.parentId, new arrow.Utf8(), true),
    new arrow.Field(FIXED_COLUMNS.title, new arrow.Utf8(), false),
    new arrow.Field(FIXED_COLUMNS.url, new arrow.Utf8(), false),
    new arrow.Field(FIXED_COLUMNS.text, new arrow.Utf8(), false),
    new arrow.Field(FIXED_COLUMNS.indexText, new arrow.Utf8(), false),
    new arrow.Field(FIXED_COLUMNS.principals, TEXT_LIST_TYPE, false),
    new arrow.Field(FIXED_COLUMNS.updatedAtMs, new arrow.Float64(), false),
    new arrow.Field(FIXED_COLUMNS.vector, vectorType(schema.dimensions), true),
    ...Object.entries(schema.attributes).map(([key, type]) => attributeField(key, type)),
  ]);
}

function attributeField(key: string, type: AttributeType): Field {
  return new arrow.Field(attributeColumn(checkedKey(key)), ATTRIBUTE_TYPES[type].arrow(), true);
}

/** An empty column of the attribute's type, as `addColumns` takes it. */
export function attributeExpression(key: string, type: AttributeType): { readonly name: string; readonly valueSql: string } {
  return { name: attributeColumn(checkedKey(key)), valueSql: `cast(NULL as ${ATTRIBUTE_TYPES[type].sql})` };
}

const ATTRIBUTE_TYPES = {
  string: { arrow: () => new arrow.Utf8(), sql: "string" },
  number: { arrow: () => new arrow.Float64(), sql: "double" },
  boolean: { arrow: () => new arrow.Int8(), sql: "tinyint" },
} as const;

function checkedKey(key: string): string {
  if (!ATTRIBUTE_KEY.test(key)) throw kennelError("invalid_request", { message: "Cannot store an attribute: its key is not valid" });
  return key;
}

/** @param schema as an open table tells it; its classes may come from another copy of apache-arrow than ours */
export function readLayout(schema: Schema): TableLayout {
  const attributes = new Map<string, AttributeType>();
  let dimensions = 0;
  for (const field of schema.fields) {
    if (field.name === FIXED_COLUMNS.vector) dimensions = (field.type as FixedSizeList).listSize;
    const key = attributeOfColumn(field.name);
    if (key !== null) attributes.set(key, attributeType(field.type));
  }
  return { dimensions, attributes };
}

function attributeType(type: DataType): AttributeType {
  if (arrow.DataType.isUtf8(type)) return "string";
  return arrow.DataType.isInt(type) ? "boolean" : "number";
}

/** Attributes of `wanted` that the table has no column for. Throws `conflict` where it has one of another type. */
export function missingAttributes(layout: TableLayout, wanted: AttributeSchema): readonly (readonly [string, AttributeType])[] {
  return Object.entries(wanted).filter(([key, type]) => {
    const held = layout.attributes.get(key);
    if (held !== undefined && held !== type) {
      throw kennelError("conflict", {
        param: `attributes.${key}`,
        message: `Attribute "${key}" is a ${held} in the index and cannot become a ${type}`,
      });
    }
    return held === undefined;
  });
}
