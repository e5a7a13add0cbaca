import type { SourceDocument } from "../../document_record.ts";
import { requireCollection } from "../collections.ts";
import type { Connection } from "../connection.ts";
import { type PendingRow, toSource } from "../jobs.ts";

export interface BackedUpDocument extends SourceDocument {
  /** It could not be indexed before either. */
  readonly hasFailed: boolean;
}

/** Every document of a collection as it was sent, those that still waited or had failed included; one at a time in memory. */
export function* storedDocuments(connection: Connection, collection: string): Generator<BackedUpDocument> {
  const { key } = requireCollection(connection, collection);
  for (let after = 0; ; ) {
    // The plus keeps SQLite from the index by collection, whose rows it would sort anew for each document.
    const row = connection.get<PendingRow & { readonly key: number; readonly state: string }>(
      `SELECT d.key AS key, state, d.id, title, url, attributes, principals, content_hash, kind, format, file_name, source, vector
       FROM documents d JOIN bodies ON document = d.key WHERE +d.collection = ? AND d.key > ? AND d.is_deleting = 0 ORDER BY d.key LIMIT 1`,
      [key, after],
    );
    if (row === undefined) return;
    after = row.key;
    yield { ...toSource(row), hasFailed: row.state === "failed" };
  }
}
