import { kennelError } from "../../../runtime/errors.ts";
import type { AttributeSchema } from "../../vector_store/filter.ts";
import type { AliasRecord, CollectionRecord, CollectionSettings, Page } from "../document_store.ts";
import type { Connection } from "./connection.ts";

interface CollectionRow {
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
}

const COLUMNS = "key, name, settings, attributes, version, index_version, documents, chunks, created_at_ms, updated_at_ms";

export function createCollection(connection: Connection, nowMs: number, name: string, settings: CollectionSettings): CollectionRecord {
  return connection.transaction(() => {
    const known = connection.get<{ is_deleting: number }>("SELECT is_deleting FROM collections WHERE name = ?", [name]);
    if (known !== undefined) {
      const message = known.is_deleting === 1 ? `Collection "${name}" is being deleted; try again` : `Collection "${name}" exists`;
      throw kennelError("conflict", { param: "name", message });
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

/** Declared and known attributes together; `conflict` names the key whose type would change. */
export function mergeAttributes(collection: string, known: AttributeSchema, added: AttributeSchema): AttributeSchema {
  for (const [key, type] of Object.entries(added)) {
    const before = Object.hasOwn(known, key) ? known[key] : undefined;
    if (before !== undefined && before !== type) {
      throw kennelError("conflict", {
        param: `attributes.${key}`,
        message: `Attribute "${key}" is a ${before} in collection "${collection}" and cannot hold a ${type}`,
      });
    }
  }
  return { ...known, ...added };
}

export function requireCollection(connection: Connection, name: string): CollectionRow {
  const row = findCollection(connection, name);
  if (row === undefined) throw kennelError("not_found", { message: `There is no collection "${name}"`, param: "collection" });
  return row;
}

/** @param limit items of `items` beyond it show that there is a next page */
export function toPage<Item>(items: readonly Item[], limit: number, idOf: (item: Item) => string): Page<Item> {
  const last = items[limit - 1];
  return items.length > limit && last !== undefined ? { items: items.slice(0, limit), next: idOf(last) } : { items, next: null };
}

function findCollection(connection: Connection, name: string): CollectionRow | undefined {
  return connection.get<CollectionRow>(`SELECT ${COLUMNS} FROM collections WHERE name = ? AND is_deleting = 0`, [name]);
}

function toRecord(row: CollectionRow): CollectionRecord {
  return {
    name: row.name,
    settings: JSON.parse(row.settings) as CollectionSettings,
    attributes: JSON.parse(row.attributes) as AttributeSchema,
    version: row.version,
    indexVersion: row.index_version,
    documents: row.documents,
    chunks: row.chunks,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  };
}
