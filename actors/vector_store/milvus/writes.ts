import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { isOneOf } from "../milvus_filter.ts";
import type { ChunkRow } from "../vector_store.ts";
import { type CollectionLayout, FIELDS } from "./collection.ts";
import { succeeded } from "./failures.ts";
import { CONSISTENCY, MAX_PAGE_ROWS, pages } from "./reads.ts";
import { encodeRow, type MilvusRow, type WordsOf } from "./rows.ts";

const MAX_BATCH_ROWS = 1_000;
/** Characters of text in one request, about; the server takes 64 MB. */
const MAX_BATCH_CHARACTERS = 8_000_000;
const DELETED_PER_REQUEST = 1_000;

/**
 * Milvus has no transaction, so that a search in between may see a document's new rows beside its old ones, never less than
 * one of them. New rows are written first, then what is stale is deleted by id; a failure between leaves stale rows, which
 * the same replacement, made again, takes away. The Strong read between sees the new rows, and so do all reads after it.
 */
export async function replaceDocuments(
  client: MilvusClient,
  layout: CollectionLayout,
  documentIds: readonly string[],
  rows: readonly ChunkRow[],
  wordsOf: WordsOf | null,
): Promise<void> {
  if (documentIds.length === 0) return;
  const encoded = rows.map((row) => encodeRow(row, layout, wordsOf)); // all, before the first is written
  for (const batch of batches(encoded)) {
    succeeded(await client.upsert({ collection_name: layout.name, data: batch as never }));
  }
  const replaced = isOneOf(FIELDS.documentId, documentIds);
  const written = new Set(encoded.map((row) => row[FIELDS.id] as string));
  const stale: string[] = [];
  let confirmed = 0;
  for await (const page of pages(client, layout, replaced, [FIELDS.id], MAX_PAGE_ROWS, CONSISTENCY.strong)) {
    for (const row of page) {
      const id = row[FIELDS.id] as string;
      if (written.has(id)) confirmed += 1;
      else stale.push(id);
    }
  }
  if (confirmed < written.size) throw new Error(`Milvus acknowledged ${written.size} rows and shows ${confirmed} of them`);
  if (stale.length === 0) return;
  for (let start = 0; start < stale.length; start += DELETED_PER_REQUEST) {
    const filter = isOneOf(FIELDS.id, stale.slice(start, start + DELETED_PER_REQUEST));
    succeeded(await client.delete({ collection_name: layout.name, filter }));
  }
  // The same for what was deleted: once a Strong read has not seen it, no later read does.
  for await (const page of pages(
    client,
    layout,
    isOneOf(FIELDS.id, stale.slice(-DELETED_PER_REQUEST)),
    [FIELDS.id],
    1,
    CONSISTENCY.strong,
  )) {
    throw new Error(`Milvus acknowledged a deletion and still shows ${page.length} of its rows`);
  }
}

export function* batches(rows: readonly MilvusRow[]): Iterable<readonly MilvusRow[]> {
  let batch: MilvusRow[] = [];
  let characters = 0;
  for (const row of rows) {
    const size = sizeOf(row);
    if (batch.length > 0 && (batch.length >= MAX_BATCH_ROWS || characters + size > MAX_BATCH_CHARACTERS)) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(row);
    characters += size;
  }
  if (batch.length > 0) yield batch;
}

function sizeOf(row: MilvusRow): number {
  let size = 0;
  for (const value of Object.values(row)) size += typeof value === "string" ? value.length : Array.isArray(value) ? value.length * 4 : 8;
  return size;
}
