import type { Attributes, AttributeType, AttributeValue } from "../filter.ts";
import type { Candidate, ChunkRow, StoredChunk } from "../vector_store.ts";
import { attributeColumn } from "./predicate.ts";
import { FIXED_COLUMNS, type TableLayout } from "./table_schema.ts";

/** The part of an Arrow batch that is read here; a driver's batches come from its own copy of apache-arrow. */
export interface Batch {
  readonly numRows: number;
  getChild(name: string): { get(row: number): unknown } | null;
}

export const CANDIDATE_COLUMNS = [FIXED_COLUMNS.id, FIXED_COLUMNS.documentId, FIXED_COLUMNS.parentId] as const;

export function chunkColumns(layout: TableLayout): string[] {
  const { id, documentId, ordinal, parentId, title, url, text, principals, updatedAtMs } = FIXED_COLUMNS;
  return [
    id,
    documentId,
    ordinal,
    parentId,
    title,
    url,
    text,
    principals,
    updatedAtMs,
    ...[...layout.attributes.keys()].map(attributeColumn),
  ];
}

/** @param scoreOf makes a score that grows with fit from the store's own */
export function decodeCandidates(batch: Batch, scoreColumn: string, scoreOf: (value: number) => number): Candidate[] {
  const id = child(batch, FIXED_COLUMNS.id);
  const documentId = child(batch, FIXED_COLUMNS.documentId);
  const parentId = child(batch, FIXED_COLUMNS.parentId);
  const score = child(batch, scoreColumn);
  return Array.from({ length: batch.numRows }, (_, row) => ({
    id: id.get(row) as string,
    documentId: documentId.get(row) as string,
    parentId: parentId.get(row) as string | null,
    score: scoreOf(score.get(row) as number),
  }));
}

export function decodeChunks(batch: Batch, layout: TableLayout): StoredChunk[] {
  const columns = FIXED_COLUMNS;
  const text = (name: string) => child(batch, name);
  const [id, documentId, ordinal, parentId] = [text(columns.id), text(columns.documentId), text(columns.ordinal), text(columns.parentId)];
  const [title, url, body, updatedAtMs] = [text(columns.title), text(columns.url), text(columns.text), text(columns.updatedAtMs)];
  const principals = child(batch, columns.principals);
  const attributes = [...layout.attributes].map(([key, type]) => ({ key, type, column: child(batch, attributeColumn(key)) }));
  return Array.from({ length: batch.numRows }, (_, row) => ({
    id: id.get(row) as string,
    documentId: documentId.get(row) as string,
    ordinal: ordinal.get(row) as number,
    parentId: parentId.get(row) as string | null,
    title: title.get(row) as string,
    url: url.get(row) as string,
    text: body.get(row) as string,
    attributes: decodeAttributes(attributes, row),
    principals: [...(principals.get(row) as Iterable<string>)],
    updatedAtMs: updatedAtMs.get(row) as number,
  }));
}

export function decodeRows(batch: Batch, layout: TableLayout): ChunkRow[] {
  const indexText = child(batch, FIXED_COLUMNS.indexText);
  const vector = child(batch, FIXED_COLUMNS.vector);
  return decodeChunks(batch, layout).map((chunk, row) => ({
    ...chunk,
    indexText: indexText.get(row) as string,
    vector: decodeVector(vector.get(row) as { toArray(): Float32Array } | null),
  }));
}

/** A copy, so that a row kept by the caller does not keep its whole batch. */
function decodeVector(value: { toArray(): Float32Array } | null): Float32Array | null {
  return value === null ? null : Float32Array.from(value.toArray());
}

interface AttributeColumn {
  readonly key: string;
  readonly type: AttributeType;
  readonly column: { get(row: number): unknown };
}

function decodeAttributes(columns: readonly AttributeColumn[], row: number): Attributes {
  const found: [string, AttributeValue][] = [];
  for (const { key, type, column } of columns) {
    const value = column.get(row);
    if (value !== null) found.push([key, type === "boolean" ? value === 1 : (value as AttributeValue)]);
  }
  return Object.fromEntries(found); // unlike assignment, it takes a key called `__proto__`
}

function child(batch: Batch, name: string): { get(row: number): unknown } {
  const column = batch.getChild(name);
  if (column === null) throw new TypeError(`A batch lacks the column ${name}`);
  return column;
}
