import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { kennelError } from "../../../../runtime/errors.ts";
import type { AdoptedColumn, Adoption } from "../../adoption.ts";
import type { ChunkRow } from "../../vector_store.ts";
import { succeeded } from "../failures.ts";
import { CONSISTENCY, IDS_PER_QUERY } from "../reads.ts";
import type { MilvusRow } from "../rows.ts";
import { batches } from "../writes.ts";
import { isOneOfIds } from "./filter.ts";
import { adoptedPages, idColumn, rowsOfDocuments } from "./reads.ts";
import { idOf } from "./rows.ts";

/**
 * As Kennel's own rows are replaced: new ones first, then what is left of the documents is deleted by id, whoever wrote it;
 * a Strong read between sees the new ones, so that all reads after it do.
 */
export async function replaceAdoptedDocuments(
  client: MilvusClient,
  adoption: Adoption,
  documentIds: readonly string[],
  rows: readonly ChunkRow[],
): Promise<void> {
  if (adoption.mode !== "read_write") throw kennelError("conflict", { message: "The collection is adopted read-only" });
  if (documentIds.length === 0) return;
  const { collection, fields } = adoption;
  const encoded = rows.map((row) => encodeAdoptedRow(row, adoption)); // all, before the first is written
  for (const batch of batches(encoded)) succeeded(await client.upsert({ collection_name: collection, data: batch as never }));
  const written = new Set(rows.map(({ id }) => id));
  const stale: string[] = [];
  let confirmed = 0;
  const replaced = rowsOfDocuments(adoption, documentIds);
  for await (const page of adoptedPages(client, adoption, replaced, [fields.id], { consistency: CONSISTENCY.strong })) {
    for (const row of page) {
      const id = idOf(row, adoption);
      if (written.has(id)) confirmed += 1;
      else stale.push(id);
    }
  }
  if (confirmed < written.size) throw new Error(`Milvus acknowledged ${written.size} rows and shows ${confirmed} of them`);
  for (let start = 0; start < stale.length; start += IDS_PER_QUERY) {
    const filter = isOneOfIds(fields.id, idColumn(adoption), stale.slice(start, start + IDS_PER_QUERY));
    succeeded(await client.delete({ collection_name: collection, filter }));
  }
  if (stale.length === 0) return;
  const last = isOneOfIds(fields.id, idColumn(adoption), stale.slice(-IDS_PER_QUERY));
  for await (const page of adoptedPages(client, adoption, last, [fields.id], { pageRows: 1, consistency: CONSISTENCY.strong })) {
    throw new Error(`Milvus acknowledged a deletion and still shows ${page.length} of its rows`);
  }
}

/** A row under the collection's own names. What it has no field for (`title`, principals, the time) stays with Kennel. */
function encodeAdoptedRow(row: ChunkRow, adoption: Adoption): MilvusRow {
  const { fields, columns } = adoption;
  const { vector } = row;
  if (vector === null || vector.length !== adoption.dimensions) {
    throw kennelError("conflict", { param: "vector", message: `A row has no vector of ${adoption.dimensions} dimensions` });
  }
  const encoded: MilvusRow = { [fields.vector]: Array.from(vector) };
  const roles = { id: row.id, documentId: row.documentId, text: row.text, title: row.title, url: row.url };
  for (const [role, value] of Object.entries(roles) as [keyof typeof roles, string][]) {
    const name = fields[role];
    if (name !== null) encoded[name] = fieldValue(name, columns[name], value);
  }
  for (const [key, value] of Object.entries(row.attributes)) encoded[key] = fieldValue(key, columns[key], value);
  return encoded;
}

function fieldValue(name: string, column: AdoptedColumn | undefined, value: string | number | boolean): string | number | boolean {
  if (typeof value !== "string") return value;
  const wellFormed = value.toWellFormed();
  const bytes = Buffer.byteLength(wellFormed);
  const maxBytes = column?.maxBytes ?? null;
  if (maxBytes === null || bytes <= maxBytes) return wellFormed;
  throw kennelError("invalid_request", { param: name, message: `${name} has ${bytes} bytes as UTF-8; allowed: at most ${maxBytes}` });
}
