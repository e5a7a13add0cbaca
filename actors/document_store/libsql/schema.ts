import { kennelError } from "../../../runtime/errors.ts";
import type { Connection } from "./connection.ts";

/**
 * The schema, one step a version: a database of version n has run the first n. A step that was released is never
 * changed; a new one is added below it.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE collections (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    attributes TEXT NOT NULL,
    version INTEGER NOT NULL,
    index_version INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    is_deleting INTEGER NOT NULL DEFAULT 0,
    uses INTEGER NOT NULL DEFAULT 0,
    last_used_ms INTEGER,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX collections_used ON collections (last_used_ms) WHERE last_used_ms IS NOT NULL;
  CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections (key) ON DELETE CASCADE,
    version INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX aliases_collection ON aliases (collection);
  CREATE TABLE jobs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    collection INTEGER NOT NULL REFERENCES collections (key) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    total INTEGER NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0,
    failures TEXT NOT NULL DEFAULT '[]',
    index_version INTEGER,
    created_at_ms INTEGER NOT NULL,
    started_at_ms INTEGER,
    finished_at_ms INTEGER
  ) STRICT;
  CREATE INDEX jobs_collection ON jobs (collection);
  CREATE INDEX jobs_open ON jobs (key) WHERE finished_at_ms IS NULL;
  CREATE INDEX jobs_finished ON jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
  CREATE TABLE documents (
    key INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections (key) ON DELETE CASCADE,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    attributes TEXT NOT NULL,
    principals TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    state TEXT NOT NULL,
    failure TEXT,
    chunks INTEGER NOT NULL DEFAULT 0,
    job INTEGER REFERENCES jobs (key) ON DELETE SET NULL,
    is_deleting INTEGER NOT NULL DEFAULT 0,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (collection, id)
  ) STRICT;
  CREATE INDEX documents_job ON documents (job, key) WHERE job IS NOT NULL;
  CREATE INDEX documents_deleting ON documents (key) WHERE is_deleting = 1;
  CREATE INDEX documents_updated ON documents (collection, updated_at_ms);
  CREATE TABLE bodies (
    document INTEGER PRIMARY KEY REFERENCES documents (key) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    format TEXT NOT NULL,
    file_name TEXT NOT NULL,
    source BLOB NOT NULL,
    vector BLOB,
    text TEXT
  ) STRICT;
  CREATE TABLE chunks (
    document INTEGER NOT NULL REFERENCES documents (key) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    parent TEXT,
    start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    index_prefix TEXT NOT NULL,
    PRIMARY KEY (document, version, ordinal)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE parents (
    collection INTEGER NOT NULL REFERENCES collections (key) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    id TEXT NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (key) ON DELETE CASCADE,
    text TEXT NOT NULL,
    PRIMARY KEY (collection, version, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX parents_document ON parents (document, version);
  `,
  // Builds beside the active one: one that is building has a job, a retired one the moment it was retired at.
  `
  CREATE TABLE index_versions (
    collection INTEGER NOT NULL REFERENCES collections (key) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    build TEXT NOT NULL,
    job TEXT,
    through TEXT,
    is_repair INTEGER NOT NULL DEFAULT 0,
    retired_at_ms INTEGER,
    PRIMARY KEY (collection, version)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX index_versions_job ON index_versions (job) WHERE job IS NOT NULL;
  `,
  // A complete build that is kept up beside the active one: JSON of what is known of it; and what is to become of one that is being made.
  `
  ALTER TABLE index_versions ADD COLUMN standby TEXT;
  ALTER TABLE index_versions ADD COLUMN plan TEXT;
  ALTER TABLE jobs ADD COLUMN outcome TEXT;
  ALTER TABLE collections ADD COLUMN newest_version INTEGER NOT NULL DEFAULT 0;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the database to this version's schema; a newer one is refused untouched. Each step is one transaction. */
export function migrate(connection: Connection): void {
  for (let version = readVersion(connection); version < SCHEMA_VERSION; version++) {
    const step = MIGRATIONS[version] ?? "";
    connection.transaction(() => connection.script(`${step}; PRAGMA user_version = ${version + 1}`));
  }
}

function readVersion(connection: Connection): number {
  const version = connection.get<{ user_version: number }>("PRAGMA user_version", [])?.user_version ?? 0;
  if (version > SCHEMA_VERSION) {
    throw kennelError("conflict", {
      message: `Cannot open the document store: its format is version ${version}, this Kennel knows up to ${SCHEMA_VERSION}; start the newer Kennel, or restore an older backup`,
    });
  }
  return version;
}
