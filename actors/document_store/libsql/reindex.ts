import type { BuildSettings } from "../collection_record.ts";
import type { ChunkedDocument, DocumentToParse } from "../document_record.ts";
import type { Page, SizedPage } from "../document_store.ts";
import type { ReindexPlan, ReindexProgress } from "../index_version.ts";
import type { JobRecord } from "../job_record.ts";
import { countWithin, isBeingReindexed, MAX_FAILURES, type StoredChunk, toChunk, versionStays } from "../rules.ts";
import { requireCollection } from "./collections.ts";
import type { Connection } from "./connection.ts";
import { getJob, type PendingRow, requireJob, toSource } from "./jobs.ts";
import { retireStandby } from "./switching.ts";

const IS_INDEXED = "d.is_deleting = 0 AND d.state IN ('indexed', 'skipped')";

export function beginReindex(
  connection: Connection,
  nowMs: number,
  collection: string,
  jobId: string,
  build: BuildSettings,
  plan: ReindexPlan | null,
  isRepair: boolean,
): JobRecord {
  return connection.transaction(() => {
    const { key, version } = requireCollection(connection, collection);
    const known = connection.get<{ newest: number | null; building: number }>(
      `SELECT max(coalesce(max(v.version), 0), (SELECT newest_version FROM collections WHERE key = ?1)) AS newest, count(job) AS building
       FROM index_versions v WHERE collection = ?1`,
      [key],
    );
    if ((known?.building ?? 0) > 0) {
      throw isBeingReindexed(collection);
    }
    connection.run(
      `INSERT INTO jobs (id, collection, kind, status, total, created_at_ms)
       SELECT ?, ?, 'reindex', 'queued', count(*), ? FROM documents d WHERE d.collection = ? AND ${IS_INDEXED}`,
      [jobId, key, nowMs, key],
    );
    // A number is never used again: what is kept under it, in memory or on disk, would be taken for the other one's.
    const next = Math.max(version, known?.newest ?? 0) + 1;
    connection.run("UPDATE collections SET newest_version = ? WHERE key = ?", [next, key]);
    retireStandby(connection, nowMs, key, null);
    connection.run("INSERT INTO index_versions (collection, version, build, job, is_repair, plan) VALUES (?, ?, ?, ?, ?, ?)", [
      key,
      next,
      JSON.stringify(build),
      jobId,
      isRepair ? 1 : 0,
      plan === null ? null : JSON.stringify(plan),
    ]);
    return getJob(connection, jobId) as JobRecord;
  });
}

interface FieldsRow extends PendingRow {
  readonly key: number;
  readonly updated_at_ms: number;
}

export function documentsToParse(connection: Connection, collection: string, page: SizedPage): Page<DocumentToParse> {
  const { key } = requireCollection(connection, collection);
  const range = nextRange(connection, key, page, "length(source)");
  if (range === null) return { items: [], next: null };
  const items = connection
    .all<FieldsRow>(
      `SELECT d.id, title, url, attributes, principals, content_hash, kind, format, file_name, source, vector, updated_at_ms
       FROM documents d JOIN bodies ON document = d.key WHERE d.collection = ? AND d.id > ? AND d.id <= ? AND ${IS_INDEXED} ORDER BY d.id`,
      [key, page.after ?? "", range.last],
    )
    .map((row) => ({ ...toSource(row), updatedAtMs: row.updated_at_ms }));
  return { items, next: range.isEnd ? null : range.last };
}

export function chunkedDocuments(connection: Connection, collection: string, version: number, page: SizedPage): Page<ChunkedDocument> {
  const { key } = requireCollection(connection, collection);
  const range = nextRange(connection, key, page, "length(coalesce(text, source))");
  if (range === null) return { items: [], next: null };
  // A text that was parsed to itself is stored once, as the source.
  const rows = connection.all<FieldsRow & { readonly text: string | null }>(
    `SELECT d.key AS key, d.id, title, url, attributes, principals, content_hash, 'text' AS kind, format, file_name, text,
       CASE WHEN text IS NULL AND kind = 'text' THEN source ELSE x'' END AS source, vector, updated_at_ms
     FROM documents d JOIN bodies ON document = d.key WHERE d.collection = ? AND d.id > ? AND d.id <= ? AND ${IS_INDEXED} ORDER BY d.id`,
    [key, page.after ?? "", range.last],
  );
  const keys = JSON.stringify(rows.map((row) => row.key));
  const chunks = Map.groupBy(
    connection.all<ChunkRow>(
      `SELECT document, ordinal, parent, start_offset, end_offset, index_prefix FROM chunks
       WHERE document IN (SELECT value FROM json_each(?)) AND version = ? ORDER BY document, ordinal`,
      [keys, version],
    ),
    (chunk) => chunk.document,
  );
  const parents = Map.groupBy(
    connection.all<{ document: number; id: string; text: string }>(
      "SELECT document, id, text FROM parents WHERE document IN (SELECT value FROM json_each(?)) AND version = ? ORDER BY document, id",
      [keys, version],
    ),
    (parent) => parent.document,
  );
  const items = rows.map((row) => {
    const { source, ...fields } = toSource(row);
    const text = row.text ?? (source.kind === "text" ? source.text : "");
    const parsed = {
      id: fields.id,
      contentHash: fields.contentHash,
      title: fields.title,
      text,
      chunks: (chunks.get(row.key) ?? []).map((chunk) => toChunk(fields, text, toStored(chunk))),
      parents: (parents.get(row.key) ?? []).map((parent) => ({ id: parent.id, text: parent.text })),
      failure: null,
    };
    return { ...fields, updatedAtMs: row.updated_at_ms, parsed };
  });
  return { items, next: range.isEnd ? null : range.last };
}

interface ChunkRow {
  readonly document: number;
  readonly ordinal: number;
  readonly parent: string | null;
  readonly start_offset: number;
  readonly end_offset: number;
  readonly index_prefix: string;
}

function toStored(row: ChunkRow): StoredChunk {
  return {
    ordinal: row.ordinal,
    parentId: row.parent,
    startOffset: row.start_offset,
    endOffset: row.end_offset,
    indexPrefix: row.index_prefix,
  };
}

/** The last id of the page, by number and size; null: nothing comes after. */
function nextRange(
  connection: Connection,
  collectionKey: number,
  page: SizedPage,
  size: "length(source)" | "length(coalesce(text, source))",
): { readonly last: string; readonly isEnd: boolean } | null {
  const sizes = connection.all<{ id: string; bytes: number }>(
    `SELECT d.id AS id, ${size} AS bytes FROM documents d JOIN bodies ON document = d.key
     WHERE d.collection = ? AND d.id > ? AND ${IS_INDEXED} ORDER BY d.id LIMIT ?`,
    [collectionKey, page.after ?? "", page.limit + 1],
  );
  const taken = countWithin(
    sizes.slice(0, page.limit).map((row) => row.bytes),
    page.maxBytes,
  );
  const last = sizes[taken - 1];
  return last === undefined ? null : { last: last.id, isEnd: taken === sizes.length };
}

export function advanceReindex(connection: Connection, jobId: string, progress: ReindexProgress): void {
  connection.transaction(() => {
    const job = requireJob(connection, jobId);
    const { through, indexed, skipped, failed, chunks } = progress;
    const moved = connection.run("UPDATE index_versions SET through = ? WHERE job = ? AND (through IS NULL OR through < ?)", [
      through,
      jobId,
      through,
    ]);
    if (moved === 0) return;
    const failures = [...(JSON.parse(job.failures) as JobRecord["failures"]), ...progress.failures].slice(0, MAX_FAILURES);
    connection.run(
      `UPDATE jobs SET indexed = indexed + ?, skipped = skipped + ?, failed = failed + ?, chunks = chunks + ?, failures = ?,
         total = max(total, indexed + skipped + failed + ?) WHERE key = ?`,
      [indexed, skipped, failed, chunks, JSON.stringify(failures), indexed + skipped + failed, job.key],
    );
  });
}

export function reindexPlan(connection: Connection, jobId: string): ReindexPlan | null {
  const found = connection.get<{ plan: string | null }>("SELECT plan FROM index_versions WHERE job = ?", [jobId]);
  return found?.plan == null ? null : (JSON.parse(found.plan) as ReindexPlan);
}

export function dropVersion(connection: Connection, collection: string, version: number): void {
  connection.transaction(() => {
    const { key, version: active } = requireCollection(connection, collection);
    const pin = connection.get<{ alias: string }>("SELECT alias FROM aliases WHERE collection = ? AND version = ?", [key, version]);
    const inUse = connection.get<{ job: string | null }>(
      "SELECT job FROM index_versions WHERE collection = ? AND version = ? AND (job IS NOT NULL OR standby IS NOT NULL)",
      [key, version],
    );
    if (version === active || pin !== undefined || inUse !== undefined) {
      const work = inUse?.job == null ? "it is kept up" : "it is being built";
      const use = pin !== undefined ? `alias "${pin.alias}" pins it` : version === active ? "it is the active one" : work;
      throw versionStays(collection, version, use);
    }
    connection.run("DELETE FROM chunks WHERE version = ? AND document IN (SELECT key FROM documents WHERE collection = ?)", [version, key]);
    connection.run("DELETE FROM parents WHERE collection = ? AND version = ?", [key, version]);
    connection.run("DELETE FROM index_versions WHERE collection = ? AND version = ?", [key, version]);
  });
}
