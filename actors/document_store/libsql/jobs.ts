import type { Attributes } from "../../vector_store/filter.ts";
import type { DocumentSource, SourceDocument } from "../document_record.ts";
import type { JobRecord, JobStatus } from "../job_record.ts";
import { countWithin, type IndexedDocument, leftUndone, MAX_FAILURES, noJob, stateOf } from "../rules.ts";
import { requireCollection } from "./collections.ts";
import type { Connection } from "./connection.ts";

interface JobRow {
  readonly key: number;
  readonly id: string;
  readonly collection: number;
  readonly name: string;
  readonly kind: JobRecord["kind"];
  readonly status: JobStatus;
  readonly total: number;
  readonly indexed: number;
  readonly unchanged: number;
  readonly skipped: number;
  readonly failed: number;
  readonly chunks: number;
  readonly failures: string;
  readonly index_version: number | null;
  readonly outcome: string | null;
  readonly created_at_ms: number;
  readonly started_at_ms: number | null;
  readonly finished_at_ms: number | null;
}

const SELECT_JOBS = "SELECT j.*, c.name AS name FROM jobs j JOIN collections c ON c.key = j.collection WHERE c.is_deleting = 0";

/** The job that had the document will not index it: it is counted as skipped there. */
export function leaveJob(connection: Connection, jobKey: number | null): void {
  if (jobKey !== null) connection.run("UPDATE jobs SET skipped = skipped + 1 WHERE key = ? AND finished_at_ms IS NULL", [jobKey]);
}

export function getJob(connection: Connection, jobId: string): JobRecord | null {
  const row = findJob(connection, jobId);
  return row === undefined ? null : toRecord(row);
}

export function openJobs(connection: Connection): JobRecord[] {
  return connection.all<JobRow>(`${SELECT_JOBS} AND j.finished_at_ms IS NULL ORDER BY j.key`, []).map(toRecord);
}

export function startJob(connection: Connection, nowMs: number, jobId: string): void {
  connection.transaction(() => {
    requireJob(connection, jobId);
    connection.run(
      "UPDATE jobs SET status = 'running', started_at_ms = coalesce(started_at_ms, ?) WHERE id = ? AND finished_at_ms IS NULL",
      [nowMs, jobId],
    );
  });
}

export function cancelJob(connection: Connection, nowMs: number, jobId: string): boolean {
  return connection.transaction(() => {
    const job = requireJob(connection, jobId);
    if (job.finished_at_ms !== null) return false;
    endJob(connection, nowMs, job, "cancelled", null);
    return true;
  });
}

export function finishJob(
  connection: Connection,
  nowMs: number,
  jobId: string,
  status: "completed" | "failed",
  reason: string | null,
): JobRecord {
  return connection.transaction(() => {
    const job = requireJob(connection, jobId);
    if (job.finished_at_ms === null) endJob(connection, nowMs, job, status, reason);
    return toRecord(requireJob(connection, jobId));
  });
}

export function endJob(
  connection: Connection,
  nowMs: number,
  job: JobRow,
  status: "completed" | "failed" | "cancelled",
  reason: string | null,
): void {
  // The build of a reindex that has not come to its end was never active.
  connection.run("UPDATE index_versions SET job = NULL, plan = NULL, retired_at_ms = 0 WHERE job = ?", [job.id]);
  const failure = leftUndone(status, reason);
  if (reason !== null) {
    const left = connection.all<{ id: string }>("SELECT id FROM documents WHERE job = ? ORDER BY key LIMIT ?", [job.key, MAX_FAILURES]);
    const known = JSON.parse(job.failures) as JobRecord["failures"];
    const failures = [...known, ...left.map(({ id }) => ({ documentId: id, message: failure }))].slice(0, MAX_FAILURES);
    connection.run("UPDATE jobs SET failures = ? WHERE key = ?", [JSON.stringify(failures), job.key]);
  }
  const left = connection.run("UPDATE documents SET state = 'failed', failure = ?, job = NULL WHERE job = ?", [failure, job.key]);
  connection.run(
    `UPDATE jobs SET status = ?, failed = failed + ?, finished_at_ms = ?,
       index_version = CASE WHEN ? = 'completed' THEN (SELECT index_version FROM collections WHERE key = ?) END WHERE key = ?`,
    [status, left, nowMs, status, job.collection, job.key],
  );
}

export function pruneJobs(connection: Connection, beforeMs: number, keep: number, limit: number): number {
  return connection.transaction(() =>
    connection.run(
      `DELETE FROM jobs WHERE key IN (
         SELECT key FROM jobs WHERE finished_at_ms IS NOT NULL AND (finished_at_ms < ? OR key <= coalesce(
           (SELECT key FROM jobs WHERE finished_at_ms IS NOT NULL ORDER BY key DESC LIMIT 1 OFFSET ?), 0))
         ORDER BY key LIMIT ?)`,
      [beforeMs, keep, limit],
    ),
  );
}

export function pendingDocuments(connection: Connection, jobId: string, limit: number, maxBytes: number): SourceDocument[] {
  const job = requireJob(connection, jobId);
  const sizes = connection.all<{ key: number; bytes: number }>(
    "SELECT key, length(source) AS bytes FROM documents JOIN bodies ON document = key WHERE job = ? ORDER BY key LIMIT ?",
    [job.key, limit],
  );
  const fitting = countWithin(
    sizes.map((size) => size.bytes),
    maxBytes,
  );
  const last = sizes[fitting - 1];
  if (last === undefined) return [];
  return connection
    .all<PendingRow>(
      `SELECT id, title, url, attributes, principals, content_hash, kind, format, file_name, source, vector
       FROM documents JOIN bodies ON document = key WHERE job = ? AND key <= ? ORDER BY key`,
      [job.key, last.key],
    )
    .map(toSource);
}

export function markIndexed(
  connection: Connection,
  nowMs: number,
  jobId: string,
  collection: string,
  documents: readonly IndexedDocument[],
): number {
  return connection.transaction(() => {
    const { key: collectionKey, index_version: before } = requireCollection(connection, collection);
    const job = requireJob(connection, jobId);
    const counts = { indexed: 0, skipped: 0, failed: 0, chunks: 0 };
    const failures = JSON.parse(job.failures) as { documentId: string; message: string }[];
    let grownBy = 0;
    for (const document of documents) {
      const row = connection.get<{ key: number; chunks: number }>(
        "SELECT key, chunks FROM documents WHERE collection = ? AND id = ? AND content_hash = ? AND job = ?",
        [collectionKey, document.id, document.contentHash, job.key],
      );
      if (row === undefined) continue;
      const state = stateOf(document);
      counts[state] += 1;
      counts.chunks += document.chunks;
      grownBy += document.chunks - row.chunks;
      if (document.failure !== null && failures.length < MAX_FAILURES)
        failures.push({ documentId: document.id, message: document.failure });
      connection.run("UPDATE documents SET state = ?, failure = ?, chunks = ?, job = NULL WHERE key = ?", [
        state,
        document.failure,
        document.chunks,
        row.key,
      ]);
    }
    connection.run(
      `UPDATE jobs SET indexed = indexed + ?, skipped = skipped + ?, failed = failed + ?, chunks = chunks + ?, failures = ? WHERE key = ?`,
      [counts.indexed, counts.skipped, counts.failed, counts.chunks, JSON.stringify(failures), job.key],
    );
    connection.run("UPDATE collections SET chunks = chunks + ?, index_version = index_version + 1, updated_at_ms = ? WHERE key = ?", [
      grownBy,
      nowMs,
      collectionKey,
    ]);
    return before + 1;
  });
}

export interface PendingRow {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly attributes: string;
  readonly principals: string;
  readonly content_hash: string;
  readonly kind: "text" | "file";
  readonly format: string;
  readonly file_name: string;
  /** The driver gives the blobs of many rows as array buffers, those of a single row as buffers. */
  readonly source: ArrayBuffer | Buffer;
  readonly vector: ArrayBuffer | Buffer | null;
}

export function toSource(row: PendingRow): SourceDocument {
  const source: DocumentSource =
    row.kind === "text"
      ? { kind: "text", text: Buffer.from(row.source as ArrayBuffer).toString("utf8"), format: row.format as "text" | "markdown" | "html" }
      : { kind: "file", mediaType: row.format, fileName: row.file_name, bytes: new Uint8Array(row.source) };
  return {
    id: row.id,
    title: row.title,
    url: row.url,
    attributes: JSON.parse(row.attributes) as Attributes,
    principals: JSON.parse(row.principals) as string[],
    vector: row.vector === null ? null : new Float32Array(new Uint8Array(row.vector).buffer),
    source,
    contentHash: row.content_hash,
  };
}

function findJob(connection: Connection, jobId: string): JobRow | undefined {
  return connection.get<JobRow>(`${SELECT_JOBS} AND j.id = ?`, [jobId]);
}

export function requireJob(connection: Connection, jobId: string): JobRow {
  const row = findJob(connection, jobId);
  if (row === undefined) throw noJob();
  return row;
}

export function toRecord(row: JobRow): JobRecord {
  return {
    id: row.id,
    collection: row.name,
    kind: row.kind,
    status: row.status,
    counts: {
      total: row.total,
      indexed: row.indexed,
      unchanged: row.unchanged,
      skipped: row.skipped,
      failed: row.failed,
      chunks: row.chunks,
    },
    failures: JSON.parse(row.failures) as JobRecord["failures"],
    indexVersion: row.index_version,
    outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as JobRecord["outcome"]),
    createdAtMs: row.created_at_ms,
    startedAtMs: row.started_at_ms,
    finishedAtMs: row.finished_at_ms,
  };
}
