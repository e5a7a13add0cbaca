import { kennelError } from "../../../runtime/errors.ts";
import type { Attributes, AttributeValue } from "../filter.ts";
import { attributeField, attributeOfField } from "../milvus_filter.ts";
import type { Candidate, ChunkRow, StoredChunk } from "../vector_store.ts";
import { type CollectionLayout, DYNAMIC_FIELD, FIELDS, MAX_STRING_BYTES } from "./collection.ts";

/** Analysed words of a text, with repeats. */
export type WordsOf = (text: string) => readonly string[];

type MilvusValue = string | number | boolean | readonly number[] | readonly string[];
export type MilvusRow = Record<string, MilvusValue>;

export const CANDIDATE_FIELDS = [FIELDS.id, FIELDS.documentId, FIELDS.parentId] as const;
export const CHUNK_FIELDS = [
  ...CANDIDATE_FIELDS,
  FIELDS.ordinal,
  FIELDS.title,
  FIELDS.url,
  FIELDS.text,
  FIELDS.principals,
  FIELDS.updatedAtMs,
  DYNAMIC_FIELD,
] as const;
export const ROW_FIELDS = [...CHUNK_FIELDS, FIELDS.indexText, FIELDS.hasVector, FIELDS.vector] as const;

/** @param wordsOf null where the server does not rank texts */
export function encodeRow(row: ChunkRow, layout: CollectionLayout, wordsOf: WordsOf | null): MilvusRow {
  checkAttributes(row, layout);
  const { vector } = row;
  if (vector !== null && vector.length !== layout.dimensions) {
    throw kennelError("conflict", {
      param: "vector",
      message: `A vector has ${vector.length} dimensions, the index has ${layout.dimensions}`,
    });
  }
  const encoded: MilvusRow = {
    [FIELDS.id]: text(row.id, "id"),
    [FIELDS.documentId]: text(row.documentId, "id"),
    [FIELDS.ordinal]: row.ordinal,
    [FIELDS.parentId]: text(row.parentId ?? "", "parentId"),
    [FIELDS.title]: text(row.title, "title"),
    [FIELDS.url]: text(row.url, "url"),
    [FIELDS.text]: text(row.text, "text"),
    [FIELDS.indexText]: text(row.indexText, "indexText"),
    [FIELDS.principals]: row.principals.map((principal) => text(principal, "principals")),
    [FIELDS.updatedAtMs]: row.updatedAtMs,
    [FIELDS.hasVector]: vector !== null,
    [FIELDS.vector]: vector === null ? new Array<number>(layout.dimensions).fill(0) : Array.from(vector),
  };
  if (wordsOf !== null) encoded[FIELDS.terms] = truncated(wordsOf(row.indexText).join(" "));
  for (const [key, value] of Object.entries(row.attributes)) {
    encoded[attributeField(key)] = typeof value === "string" ? value.toWellFormed() : value;
  }
  return encoded;
}

function text(value: string, param: string): string {
  const wellFormed = value.toWellFormed();
  const bytes = Buffer.byteLength(wellFormed);
  if (bytes <= MAX_STRING_BYTES) return wellFormed;
  throw kennelError("invalid_request", {
    param,
    message: `${param} has ${bytes} bytes as UTF-8; Milvus keeps at most ${MAX_STRING_BYTES}`,
  });
}

/** Stems can be longer than their words; of a text at the very limit the last ones then go uncounted. */
function truncated(words: string): string {
  if (Buffer.byteLength(words) <= MAX_STRING_BYTES) return words;
  const kept = Buffer.from(words).subarray(0, MAX_STRING_BYTES).toString();
  return kept.slice(0, kept.lastIndexOf(" "));
}

function checkAttributes(row: ChunkRow, layout: CollectionLayout): void {
  for (const [key, value] of Object.entries(row.attributes)) {
    const type = layout.attributes.get(key);
    if (typeof value === type) continue;
    const held = type === undefined ? "no such attribute" : `it as a ${type}`;
    const message = `Attribute "${key}" is a ${typeof value}, but the index has ${held}`;
    throw kennelError("conflict", { param: `attributes.${key}`, message });
  }
}

/** A row as the client gives it. */
export type Answered = Readonly<Record<string, unknown>>;

export function decodeCandidate(row: Answered, score: number): Candidate {
  return {
    id: held(row, FIELDS.id),
    documentId: held(row, FIELDS.documentId),
    parentId: held<string>(row, FIELDS.parentId) || null,
    score,
  };
}

export function decodeChunk(row: Answered): StoredChunk {
  return {
    id: held(row, FIELDS.id),
    documentId: held(row, FIELDS.documentId),
    ordinal: held(row, FIELDS.ordinal),
    parentId: held<string>(row, FIELDS.parentId) || null,
    title: held(row, FIELDS.title),
    url: held(row, FIELDS.url),
    text: held(row, FIELDS.text),
    attributes: decodeAttributes(row[DYNAMIC_FIELD]),
    principals: [...held<readonly string[]>(row, FIELDS.principals)],
    updatedAtMs: held(row, FIELDS.updatedAtMs),
  };
}

export function decodeRow(row: Answered): ChunkRow {
  return {
    ...decodeChunk(row),
    indexText: held(row, FIELDS.indexText),
    vector: held<boolean>(row, FIELDS.hasVector) ? Float32Array.from(held<readonly number[]>(row, FIELDS.vector)) : null,
  };
}

/** A field that does not exist is left out of an answer that says all is well. */
function held<Value>(row: Answered, field: string): Value {
  const value = row[field];
  if (value === undefined || value === null) throw new TypeError(`A row from Milvus lacks the field ${field}`);
  return value as Value;
}

function decodeAttributes(dynamic: unknown): Attributes {
  const found: [string, AttributeValue][] = [];
  for (const [field, value] of Object.entries((dynamic ?? {}) as Readonly<Record<string, unknown>>)) {
    const key = attributeOfField(field);
    if (key !== null && value !== null) found.push([key, value as AttributeValue]);
  }
  return Object.fromEntries(found);
}
