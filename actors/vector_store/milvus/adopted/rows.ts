import type { Adoption } from "../../adoption.ts";
import type { Attributes, AttributeValue } from "../../filter.ts";
import type { Candidate, StoredChunk } from "../../vector_store.ts";
import { DYNAMIC_FIELD } from "../collection.ts";
import type { Answered } from "../rows.ts";

/** Fields that tell a row apart. A candidate needs no more, a hit all of `chunkFields`. */
export function candidateFields(adoption: Adoption): readonly string[] {
  return asked(adoption, [adoption.fields.id, adoption.fields.documentId]);
}

export function chunkFields(adoption: Adoption): readonly string[] {
  return asked(adoption, Object.keys(adoption.columns));
}

/** Keys of the dynamic field come together. */
function asked({ columns }: Adoption, names: readonly (string | null)[]): readonly string[] {
  const held = names.filter((name) => name !== null);
  const fields = held.filter((name) => columns[name]?.isDynamic !== true);
  return fields.length < held.length ? [...fields, DYNAMIC_FIELD] : fields;
}

/** Rows of others may lack anything but their primary key. A row without a document is one. */
export function decodeAdoptedCandidate(row: Answered, adoption: Adoption, score: number): Candidate {
  const id = idOf(row, adoption);
  return { id, documentId: textIn(row, adoption, adoption.fields.documentId) || id, parentId: null, score };
}

export function decodeAdoptedChunk(row: Answered, adoption: Adoption): StoredChunk {
  const { fields } = adoption;
  const { id, documentId, parentId } = decodeAdoptedCandidate(row, adoption, 0);
  return {
    id,
    documentId,
    parentId,
    ordinal: 0,
    title: textIn(row, adoption, fields.title),
    url: textIn(row, adoption, fields.url),
    text: textIn(row, adoption, fields.text),
    attributes: attributesIn(row, adoption),
    principals: [],
    updatedAtMs: 0, // nobody has written down when
  };
}

export function idOf(row: Answered, { fields }: Adoption): string {
  const id = row[fields.id];
  if (typeof id === "string" || typeof id === "number" || typeof id === "bigint") return String(id);
  throw new TypeError("A row of an adopted collection lacks its primary key");
}

function textIn(row: Answered, adoption: Adoption, name: string | null): string {
  const value = name === null ? null : valueIn(row, adoption, name);
  return value === null || value === undefined ? "" : String(value);
}

function valueIn(row: Answered, { columns }: Adoption, name: string): unknown {
  return columns[name]?.isDynamic === true ? (row[DYNAMIC_FIELD] as Answered | undefined)?.[name] : row[name];
}

/** Values of another type than the attribute's are left out, as filters do not find them. Int64 comes as text; beyond 2^53 it is rounded. */
function attributesIn(row: Answered, adoption: Adoption): Attributes {
  const found: [string, AttributeValue][] = [];
  for (const [key, type] of Object.entries(adoption.attributes)) {
    const value = valueIn(row, adoption, key);
    const read = adoption.columns[key]?.type === "integer" && typeof value === "string" ? Number(value) : value;
    if (typeof read === type) found.push([key, read as AttributeValue]);
  }
  return Object.fromEntries(found);
}
