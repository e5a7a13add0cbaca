import type { AttributeSchema } from "../../vector_store/filter.ts";
import type { AliasRecord, CollectionRecord, CollectionSettings } from "../collection_record.ts";
import type { Page } from "../document_store.ts";
import type { IndexVersion } from "../index_version.ts";
import { mergeAttributes, nameTaken, noCollection, toPage } from "../rules.ts";
import type { Connection } from "./connection.ts";

export interface CollectionRow {
  readonly key: number;
  readonly name: string;
  readonly settings: string;
  readonly attributes: string;
  readonly version: number;
  readonly index_version: number;
  readonly documents: number;
  readonly chunks: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  /** JSON of the builds beside the active one. */
  readonly versions: string;
}

const COLUMNS = `key, name, settings, attributes, version, index_version, documents, chunks, created_at_ms, updated_at_ms,
  (SELECT json_group_array(json_array(v.version, json(v.build), v.job, v.through, v.is_repair, v.retired_at_ms, json(v.standby)))
   FROM index_versions v WHERE v.collection = collections.key) AS versions`;

export function createCollection(connection: Connection, nowMs: number, name: string, settings: CollectionSettings): CollectionRecord {
  return connection.transaction(() => {
    const known = connection.get<{ is_deleting: number }>("SELECT is_deleting FROM collections WHERE name = ?", [name]);
    if (known !== undefined) {
      throw nameTaken(name, known.is_deleting === 1);
    }
    connection.run(
      `INSERT INTO collections (name, settings, attributes, version, index_version, documents, chunks, created_at_ms, updated_at_ms)
       VALUES (?, ?, ?, 1, 0, 0, 0, ?, ?)`,
      [name, JSON.stringify(settings), JSON.stringify(settings.attributes), nowMs, nowMs],
    );
    return toRecord(requireCollection(connection, name));
  });
}

export function updateCollection(connection: Connection, nowMs: number, name: string, settings: CollectionSettings): CollectionRecord {
  return connection.transaction(() => {
    const row = requireCollection(connection, name);
    const attributes = mergeAttributes(name, JSON.parse(row.attributes) as AttributeSchema, settings.attributes);
    connection.run("UPDATE collections SET settings = ?, attributes = ?, updated_at_ms = ? WHERE key = ?", [
      JSON.stringify(settings),
      JSON.stringify(attributes),
      nowMs,
      row.key,
    ]);
    return toRecord(requireCollection(connection, name));
  });
}

export function getCollection(connection: Connection, name: string): CollectionRecord | null {
  const row = findCollection(connection, name);
  return row === undefined ? null : toRecord(row);
}

export function listCollections(
  connection: Connection,
  page: { readonly after: string | null; readonly limit: number },
): Page<CollectionRecord> {
  const rows = connection.all<CollectionRow>(
    `SELECT ${COLUMNS} FROM collections WHERE name > ? AND is_deleting = 0 ORDER BY name LIMIT ?`,
    [page.after ?? "", page.limit + 1],
  );
  return toPage(rows.map(toRecord), page.limit, (record) => record.name);
}

export function beginDeleteCollection(connection: Connection, name: string): CollectionRecord | null {
  return connection.transaction(() => {
    const row = findCollection(connection, name);
    if (row === undefined) return null;
    connection.run("UPDATE collections SET is_deleting = 1 WHERE key = ?", [row.key]);
    return toRecord(row);
  });
}

export function deletingCollections(connection: Connection, limit: number): CollectionRecord[] {
  return connection
    .all<CollectionRow>(`SELECT ${COLUMNS} FROM collections WHERE is_deleting = 1 ORDER BY key LIMIT ?`, [limit])
    .map(toRecord);
}

export function deleteCollection(connection: Connection, name: string): boolean {
  return connection.transaction(() => connection.run("DELETE FROM collections WHERE name = ?", [name]) > 0);
}

export function putAlias(connection: Connection, alias: AliasRecord): void {
  connection.transaction(() => {
    const row = requireCollection(connection, alias.collection);
    connection.run(
      `INSERT INTO aliases (alias, collection, version) VALUES (?, ?, ?)
       ON CONFLICT (alias) DO UPDATE SET collection = excluded.collection, version = excluded.version`,
      [alias.alias, row.key, alias.version],
    );
  });
}

export function deleteAlias(connection: Connection, alias: string): boolean {
  return connection.transaction(() => connection.run("DELETE FROM aliases WHERE alias = ?", [alias]) > 0);
}

export function listAliases(connection: Connection): AliasRecord[] {
  return connection
    .all<AliasRecord>(
      `SELECT alias, c.name AS collection, a.version AS version FROM aliases a JOIN collections c ON c.key = a.collection
       WHERE c.is_deleting = 0 ORDER BY alias`,
      [],
    )
    .map(({ alias, collection, version }) => ({ alias, collection, version }));
}

export function noteUse(
  connection: Connection,
  uses: readonly { readonly collection: string; readonly atMs: number; readonly count: number }[],
): void {
  connection.transaction(() => {
    for (const use of uses) {
      connection.run("UPDATE collections SET uses = uses + ?, last_used_ms = max(coalesce(last_used_ms, 0), ?) WHERE name = ?", [
        use.count,
        use.atMs,
        use.collection,
      ]);
    }
  });
}

export function recentlyUsed(connection: Connection, limit: number): string[] {
  return connection
    .all<{ name: string }>(
      "SELECT name FROM collections WHERE last_used_ms IS NOT NULL AND is_deleting = 0 ORDER BY last_used_ms DESC, name LIMIT ?",
      [limit],
    )
    .map((row) => row.name);
}

export function requireCollection(connection: Connection, name: string): CollectionRow {
  const row = findCollection(connection, name);
  if (row === undefined) throw noCollection(name);
  return row;
}

function findCollection(connection: Connection, name: string): CollectionRow | undefined {
  return connection.get<CollectionRow>(`SELECT ${COLUMNS} FROM collections WHERE name = ? AND is_deleting = 0`, [name]);
}

/** What a standby build has that no other has. */
export type Standby = Pick<Extract<IndexVersion, { readonly kind: "standby" }>, "jobId" | "wasActive" | "keepUntilMs">;

function toVersions(json: string): IndexVersion[] {
  if (json === "[]") return [];
  const rows = JSON.parse(json) as [number, IndexVersion["build"], string | null, string | null, number, number | null, Standby | null][];
  return rows
    .map(([version, build, jobId, through, isRepair, retiredAtMs, standby]): IndexVersion => {
      if (standby !== null) return { kind: "standby", version, build, ...standby };
      return jobId === null
        ? { kind: "retired", version, build, retiredAtMs: retiredAtMs ?? 0 }
        : { kind: "building", version, build, jobId, through, isRepair: isRepair === 1 };
    })
    .sort((a, b) => a.version - b.version);
}

export function toRecord(row: CollectionRow): CollectionRecord {
  return {
    name: row.name,
    settings: JSON.parse(row.settings) as CollectionSettings,
    attributes: JSON.parse(row.attributes) as AttributeSchema,
    version: row.version,
    versions: toVersions(row.versions),
    indexVersion: row.index_version,
    documents: row.documents,
    chunks: row.chunks,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
