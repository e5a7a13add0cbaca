import { type Attributes, type Filter, isVisible, type VisibleFilter } from "../../vector_store/filter.ts";
import type { DocumentRecord, DocumentState, ParsedDocument, StoredParent } from "../document_record.ts";
import type { DocumentPage, Page } from "../document_store.ts";
import { type StoredChunk, toPage, toStoredChunk } from "../rules.ts";
import { requireCollection } from "./collections.ts";
import type { Connection } from "./connection.ts";
import { filterToSql } from "./filter_sql.ts";
import { leaveJob } from "./jobs.ts";

type ListedDocument = Omit<DocumentRecord, "text">;

interface DocumentRow {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly attributes: string;
  readonly principals: string;
  readonly content_hash: string;
  readonly state: DocumentState;
  readonly failure: string | null;
  readonly chunks: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

const COLUMNS = "id, title, url, attributes, principals, content_hash, state, failure, chunks, created_at_ms, updated_at_ms";

export function getDocument(connection: Connection, collection: string, id: string): DocumentRecord | null {
  const { key } = requireCollection(connection, collection);
  const row = connection.get<DocumentRow & { readonly text: string | null; readonly source: Buffer | null }>(
    `SELECT ${COLUMNS}, text, CASE WHEN text IS NULL AND kind = 'text' THEN source END AS source
     FROM documents LEFT JOIN bodies ON document = key WHERE collection = ? AND id = ? AND is_deleting = 0`,
    [key, id],
  );
  if (row === undefined) return null;
  return { ...toListed(row), text: row.text ?? row.source?.toString("utf8").replaceAll("\u0000", " ") ?? "" };
}

export function listDocuments(connection: Connection, collection: string, { after, limit, visible }: DocumentPage): Page<ListedDocument> {
  const { key } = requireCollection(connection, collection);
  const condition = visible === undefined ? { sql: "1", parameters: [] } : filterToSql(visible);
  const rows = connection.all<DocumentRow>(
    `SELECT ${COLUMNS} FROM documents WHERE collection = ? AND id > ? AND is_deleting = 0 AND ${condition.sql} ORDER BY id LIMIT ?`,
    [key, after ?? "", ...condition.parameters, limit + 1],
  );
  return toPage(rows.map(toListed), limit, (document) => document.id);
}

export function matchDocuments(
  connection: Connection,
  collection: string,
  filter: Filter,
  page: { readonly after: string | null; readonly limit: number },
): Page<string> {
  const { key } = requireCollection(connection, collection);
  const condition = filterToSql(filter);
  const rows = connection.all<{ id: string }>(
    `SELECT id FROM documents WHERE collection = ? AND id > ? AND is_deleting = 0 AND ${condition.sql} ORDER BY id LIMIT ?`,
    [key, page.after ?? "", ...condition.parameters, page.limit + 1],
  );
  return toPage(
    rows.map((row) => row.id),
    page.limit,
    (id) => id,
  );
}

export function expiredDocuments(connection: Connection, collection: string, beforeMs: number, limit: number): string[] {
  const { key } = requireCollection(connection, collection);
  return connection
    .all<{ id: string }>(
      "SELECT id FROM documents WHERE collection = ? AND updated_at_ms < ? AND is_deleting = 0 ORDER BY updated_at_ms, id LIMIT ?",
      [key, beforeMs, limit],
    )
    .map((row) => row.id);
}

export type ChunkedDocument = Pick<ParsedDocument, "id" | "contentHash" | "title" | "text" | "parents"> & {
  readonly chunks: readonly StoredChunk[];
};

export function toChunkedDocument({ id, contentHash, title, text, parents, chunks }: ParsedDocument): ChunkedDocument {
  return { id, contentHash, title, text, parents, chunks: chunks.map(toStoredChunk) };
}

export function putChunks(connection: Connection, collection: string, version: number, documents: readonly ChunkedDocument[]): void {
  connection.transaction(() => {
    const { key: collectionKey } = requireCollection(connection, collection);
    const found: { readonly key: number; readonly document: ChunkedDocument }[] = [];
    for (const document of documents) {
      const key = putText(connection, collectionKey, document);
      if (key !== null) found.push({ key, document });
    }
    const keys = JSON.stringify(found.map(({ key }) => key));
    connection.run("DELETE FROM chunks WHERE version = ? AND document IN (SELECT value FROM json_each(?))", [version, keys]);
    connection.run("DELETE FROM parents WHERE version = ? AND document IN (SELECT value FROM json_each(?))", [version, keys]);
    for (const { key, document } of found) {
      for (const chunk of document.chunks) {
        connection.run(
          "INSERT INTO chunks (document, version, ordinal, parent, start_offset, end_offset, index_prefix) VALUES (?, ?, ?, ?, ?, ?, ?)",
          [key, version, chunk.ordinal, chunk.parentId, chunk.startOffset, chunk.endOffset, chunk.indexPrefix],
        );
      }
      for (const parent of document.parents) {
        connection.run("INSERT INTO parents (collection, version, id, document, text) VALUES (?, ?, ?, ?, ?)", [
          collectionKey,
          version,
          parent.id,
          key,
          parent.text,
        ]);
      }
    }
  });
}

/** Stores what parsing made of a document. Null: it was replaced or removed since its job read it, and keeps what it has become. */
function putText(connection: Connection, collectionKey: number, { id, contentHash, title, text }: ChunkedDocument): number | null {
  // A text that was parsed to itself is not stored twice.
  const row = connection.get<{ key: number; title: string; is_itself: number }>(
    `SELECT key, title, kind = 'text' AND source = CAST(? AS BLOB) AS is_itself FROM documents JOIN bodies ON document = key
     WHERE collection = ? AND id = ? AND content_hash = ? AND is_deleting = 0`,
    [text, collectionKey, id, contentHash],
  );
  if (row === undefined) return null;
  if (row.is_itself === 0) connection.run("UPDATE bodies SET text = ? WHERE document = ?", [text, row.key]);
  if (row.title !== title) connection.run("UPDATE documents SET title = ? WHERE key = ?", [title, row.key]);
  return row.key;
}

export function markDeleting(connection: Connection, collection: string, ids: readonly string[], visible: VisibleFilter | null): string[] {
  return connection.transaction(() => {
    const { key } = requireCollection(connection, collection);
    const marked: string[] = [];
    for (const id of ids) {
      const row = connection.get<{ key: number; job: number | null; principals: string }>(
        "SELECT key, job, principals FROM documents WHERE collection = ? AND id = ?",
        [key, id],
      );
      if (row === undefined || (visible !== null && !isVisible(visible, JSON.parse(row.principals) as string[]))) continue;
      leaveJob(connection, row.job);
      connection.run("UPDATE documents SET is_deleting = 1, job = NULL WHERE key = ?", [row.key]);
      marked.push(id);
    }
    return marked;
  });
}

export function deletingDocuments(connection: Connection, limit: number): { collection: string; id: string }[] {
  return connection
    .all<{ collection: string; id: string }>(
      `SELECT c.name AS collection, d.id AS id FROM documents d JOIN collections c ON c.key = d.collection
       WHERE d.is_deleting = 1 AND c.is_deleting = 0 ORDER BY d.key LIMIT ?`,
      [limit],
    )
    .map(({ collection, id }) => ({ collection, id }));
}

export function removeDocuments(connection: Connection, nowMs: number, collection: string, ids: readonly string[]): number {
  return connection.transaction(() => {
    const { key, index_version: before } = requireCollection(connection, collection);
    let documents = 0;
    let chunks = 0;
    for (const id of ids) {
      const row = connection.get<{ key: number; chunks: number }>(
        "SELECT key, chunks FROM documents WHERE collection = ? AND id = ? AND is_deleting = 1",
        [key, id],
      );
      if (row === undefined) continue;
      connection.run("DELETE FROM documents WHERE key = ?", [row.key]);
      documents += 1;
      chunks += row.chunks;
    }
    if (documents === 0) return before;
    connection.run(
      `UPDATE collections SET documents = documents - ?, chunks = chunks - ?, index_version = index_version + 1, updated_at_ms = ?
       WHERE key = ?`,
      [documents, chunks, nowMs, key],
    );
    return before + 1;
  });
}

export function getParents(connection: Connection, collection: string, version: number, ids: readonly string[]): StoredParent[] {
  const { key } = requireCollection(connection, collection);
  return connection
    .all<{ readonly id: string; readonly text: string; readonly principals: string }>(
      `SELECT p.id, p.text, principals FROM parents p JOIN documents d ON d.key = p.document
       WHERE p.collection = ? AND version = ? AND p.id IN (SELECT value FROM json_each(?))`,
      [key, version, JSON.stringify(ids)],
    )
    .map(({ id, text, principals }) => ({ id, text, principals: JSON.parse(principals) as string[] }));
}

function toListed(row: DocumentRow): ListedDocument {
  return {
    id: row.id,
    title: row.title,
    url: row.url,
    attributes: JSON.parse(row.attributes) as Attributes,
    principals: JSON.parse(row.principals) as string[],
    contentHash: row.content_hash,
    state: row.state,
    failure: row.failure,
    chunks: row.chunks,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
