import type { Data, Table } from "apache-arrow";
import { kennelError } from "../../../runtime/errors.ts";
import type { AttributeType, AttributeValue } from "../filter.ts";
import type { ChunkRow } from "../vector_store.ts";
import { arrow } from "./arrow.ts";
import { booleanColumn, integerColumn, numberColumn, textColumn, textListColumn, vectorColumn } from "./columns.ts";
import { type TableLayout, tableSchema } from "./table_schema.ts";

/** Rows as one Arrow table with every column of the layout, in its order. */
export function encodeRows(rows: readonly ChunkRow[], layout: TableLayout): Table {
  for (const row of rows) {
    checkAttributes(row, layout);
    checkVector(row, layout);
  }
  const schema = tableSchema({ dimensions: layout.dimensions, language: "none", attributes: Object.fromEntries(layout.attributes) });
  const children: Data[] = [
    textColumn(rows.map(({ id }) => id)),
    textColumn(rows.map(({ documentId }) => documentId)),
    integerColumn(rows.map(({ ordinal }) => ordinal)),
    textColumn(rows.map(({ parentId }) => parentId)),
    textColumn(rows.map(({ title }) => title)),
    textColumn(rows.map(({ url }) => url)),
    textColumn(rows.map(({ text }) => text)),
    textColumn(rows.map(({ indexText }) => indexText)),
    textListColumn(rows.map(({ principals }) => principals)),
    numberColumn(rows.map(({ updatedAtMs }) => updatedAtMs)),
    vectorColumn(
      rows.map(({ vector }) => vector),
      layout.dimensions,
    ),
    ...[...layout.attributes].map(([key, type]) =>
      attributeData(
        rows.map((row) => attributeOf(row, key)),
        type,
      ),
    ),
  ];
  const struct = arrow.makeData({ type: new arrow.Struct(schema.fields), length: rows.length, nullCount: 0, children });
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, struct)]);
}

/** Only the row's own: a key may be called `constructor`. */
function attributeOf(row: ChunkRow, key: string): AttributeValue | null {
  return Object.hasOwn(row.attributes, key) ? (row.attributes[key] ?? null) : null;
}

/** @param values of this type, as `checkAttributes` has seen */
function attributeData(values: readonly (AttributeValue | null)[], type: AttributeType): Data {
  if (type === "string") return textColumn(values as readonly (string | null)[]);
  return type === "number" ? numberColumn(values as readonly (number | null)[]) : booleanColumn(values as readonly (boolean | null)[]);
}

function checkAttributes(row: ChunkRow, layout: TableLayout): void {
  for (const [key, value] of Object.entries(row.attributes)) {
    const type = layout.attributes.get(key);
    if (typeof value === type) continue;
    const column = type === undefined ? "no such attribute" : `it as a ${type}`;
    throw kennelError("conflict", {
      param: `attributes.${key}`,
      message: `Attribute "${key}" is a ${typeof value}, but the index has ${column}`,
    });
  }
}

function checkVector({ vector }: ChunkRow, { dimensions }: TableLayout): void {
  if (vector === null || vector.length === dimensions) return;
  throw kennelError("conflict", { param: "vector", message: `A vector has ${vector.length} dimensions, the index has ${dimensions}` });
}
