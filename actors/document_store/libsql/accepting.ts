import { type AttributeSchema, type AttributeType, isVisible, type VisibleFilter } from "../../vector_store/filter.ts";
import type { SourceDocument } from "../document_record.ts";
import type { JobRecord } from "../job_record.ts";
import { mergeAttributes, notReplaceable } from "../rules.ts";
import { requireCollection } from "./collections.ts";
import type { Connection } from "./connection.ts";
import { leaveJob, requireJob, toRecord } from "./jobs.ts";

export function acceptDocuments(
  connection: Connection,
  nowMs: number,
  collection: string,
  jobId: string,
  documents: readonly SourceDocument[],
  inferred: Readonly<Record<string, AttributeType>>,
  replaceable: VisibleFilter | null,
): JobRecord {
  return connection.transaction(() => {
    const { key: collectionKey, attributes } = requireCollection(connection, collection);
    const known = JSON.parse(attributes) as AttributeSchema;
    const merged = mergeAttributes(collection, known, inferred);
    connection.run("INSERT INTO jobs (id, collection, kind, status, total, created_at_ms) VALUES (?, ?, 'ingest', 'queued', ?, ?)", [
      jobId,
      collectionKey,
      documents.length,
      nowMs,
    ]);
    const job = requireJob(connection, jobId);
    let unchanged = 0;
    let added = 0;
    for (const [place, document] of documents.entries()) {
      const known = findDocument(connection, collectionKey, document.id);
      if (known !== undefined && !mayReplace(known, replaceable)) throw notReplaceable(place);
      const outcome = acceptDocument(connection, nowMs, collectionKey, job.key, document, known);
      if (outcome === "unchanged") unchanged += 1;
      if (outcome === "added") added += 1;
    }
    connection.run("UPDATE jobs SET unchanged = ? WHERE key = ?", [unchanged, job.key]);
    connection.run("UPDATE collections SET attributes = ?, documents = documents + ?, updated_at_ms = ? WHERE key = ?", [
      JSON.stringify(merged),
      added,
      nowMs,
      collectionKey,
    ]);
    return toRecord(requireJob(connection, jobId));
  });
}

interface KnownDocument {
  readonly key: number;
  readonly content_hash: string;
  readonly principals: string;
  readonly state: string;
  readonly job: number | null;
  readonly is_deleting: number;
}

function findDocument(connection: Connection, collectionKey: number, id: string): KnownDocument | undefined {
  return connection.get<KnownDocument>(
    "SELECT key, content_hash, principals, state, job, is_deleting FROM documents WHERE collection = ? AND id = ?",
    [collectionKey, id],
  );
}

/** One that is leaving is nobody's any more. */
function mayReplace({ principals, is_deleting }: KnownDocument, replaceable: VisibleFilter | null): boolean {
  return replaceable === null || is_deleting === 1 || isVisible(replaceable, JSON.parse(principals) as string[]);
}

function acceptDocument(
  connection: Connection,
  nowMs: number,
  collectionKey: number,
  jobKey: number,
  document: SourceDocument,
  known: KnownDocument | undefined,
): "unchanged" | "replaced" | "added" {
  const fields = [
    document.title,
    document.url,
    JSON.stringify(document.attributes),
    JSON.stringify(document.principals),
    document.contentHash,
  ];
  if (known === undefined) {
    connection.run(
      `INSERT INTO documents (title, url, attributes, principals, content_hash, state, job, created_at_ms, updated_at_ms, collection, id)
       VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)`,
      [...fields, jobKey, nowMs, nowMs, collectionKey, document.id],
    );
    const { key } = connection.get<{ key: number }>("SELECT last_insert_rowid() AS key", []) ?? { key: 0 };
    putBody(connection, key, document);
    return "added";
  }
  const isSettled = (known.state === "indexed" || known.state === "skipped") && known.is_deleting === 0;
  if (isSettled && known.content_hash === document.contentHash) return "unchanged";
  leaveJob(connection, known.job);
  connection.run(
    `UPDATE documents SET title = ?, url = ?, attributes = ?, principals = ?, content_hash = ?, state = 'pending', failure = NULL,
       job = ?, is_deleting = 0, updated_at_ms = ? WHERE key = ?`,
    [...fields, jobKey, nowMs, known.key],
  );
  putBody(connection, known.key, document);
  return "replaced";
}

function putBody(connection: Connection, key: number, document: SourceDocument): void {
  const { source, vector } = document;
  const bytes = source.kind === "text" ? Buffer.from(source.text, "utf8") : toBuffer(source.bytes);
  const [format, fileName] = source.kind === "text" ? [source.format, ""] : [source.mediaType, source.fileName];
  connection.run("INSERT OR REPLACE INTO bodies (document, kind, format, file_name, source, vector) VALUES (?, ?, ?, ?, ?, ?)", [
    key,
    source.kind,
    format,
    fileName,
    bytes,
    vector === null ? null : toBuffer(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)),
  ]);
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
