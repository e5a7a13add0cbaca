/**
 * A backup of the document store: a SQLite file of its own, which any SQLite can open. It is the store as of one moment, and
 * one table more that says where it comes from. Indexes are not in it, since they are built from what is.
 *
 * Invariants:
 *   K1. What is copied is one state of the store, whatever is written to it meanwhile: one read transaction.
 *   K2. A backup has its name only when it is whole, checked and on disk.
 */
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import Database from "libsql";
import { kennelError } from "../../../../runtime/errors.ts";
import { listCollections } from "../collections.ts";
import { Connection } from "../connection.ts";
import { SCHEMA_VERSION } from "../schema.ts";

/** Where a backup comes from. */
export interface BackupNotes {
  /** Of the Kennel that made it. */
  readonly version: string;
  readonly node: string;
  readonly takenAtMs: number;
  /** The configuration it ran with, secrets masked, as JSON. */
  readonly settings: string;
}

export interface BackupContents extends BackupNotes {
  readonly schemaVersion: number;
  readonly collections: readonly { readonly name: string; readonly documents: number; readonly chunks: number }[];
}

const FORMAT = 1;
/** "KNBK": told apart from a document store that is in use, and from any other database. */
const APPLICATION_ID = 0x4b4e424b;
const COLLECTIONS_PER_PAGE = 1_000;
/** What a statement waits for a writer that holds a lock. */
const BUSY_TIMEOUT_MS = 10_000;

/** Bytes that a copy of the store has about, for a progress bar. */
export function expectedBytes(path: string): number {
  const connection = openReadOnly(path);
  try {
    const read = (name: string) => Number(Object.values(connection.get<Record<string, number>>(`PRAGMA ${name}`, []) ?? {})[0] ?? 0);
    return (read("page_count") - read("freelist_count")) * read("page_size");
  } finally {
    connection.close();
  }
}

/** K1, K2. @param draft where it is written before it has its name; whatever lies there is overwritten */
export function writeBackup(from: string, draft: string, to: string, notes: BackupNotes): BackupContents {
  rmSync(draft, { force: true });
  writeFileSync(draft, "", { mode: 0o600 }); // SQLite fills an empty file, and keeps whose it is
  const source = openReadOnly(from);
  try {
    source.run("VACUUM INTO ?", [draft]);
  } finally {
    source.close();
  }
  const copy = new Database(draft);
  try {
    copy.exec(
      `BEGIN; PRAGMA application_id = ${APPLICATION_ID};
       CREATE TABLE backup (format INTEGER, version TEXT, node TEXT, taken_at_ms INTEGER, settings TEXT) STRICT`,
    );
    copy.prepare("INSERT INTO backup VALUES (?, ?, ?, ?, ?)").run([FORMAT, notes.version, notes.node, notes.takenAtMs, notes.settings]);
    copy.exec("COMMIT");
  } finally {
    copy.close();
  }
  const contents = readBackup(draft);
  renameSync(draft, to);
  return contents;
}

/** Reads what a backup holds, and every page of it. Throws `conflict` where the file is not a whole backup that this Kennel can read. */
export function readBackup(path: string): BackupContents {
  const connection = openBackup(path);
  try {
    checkPages(connection);
    const notes = connection.get<{ version: string; node: string; taken_at_ms: number; settings: string }>("SELECT * FROM backup", []);
    if (notes === undefined) throw refuse("it is not whole");
    const schemaVersion = connection.get<{ user_version: number }>("PRAGMA user_version", [])?.user_version ?? 0;
    if (schemaVersion > SCHEMA_VERSION)
      throw refuse(`its format is version ${schemaVersion}, this Kennel knows up to ${SCHEMA_VERSION}; use the Kennel that made it`);
    const collections = [...collectionsIn(connection)];
    return { version: notes.version, node: notes.node, takenAtMs: notes.taken_at_ms, settings: notes.settings, schemaVersion, collections };
  } finally {
    connection.close();
  }
}

/** Makes a checked copy of a backup the document store that it was taken of, under its name. K2 */
export function becomeStore(draft: string, to: string): void {
  const database = new Database(draft);
  try {
    database.exec("BEGIN; DROP TABLE backup; PRAGMA application_id = 0; COMMIT");
  } finally {
    database.close();
  }
  renameSync(draft, to);
}

/** A backup to read documents from. The caller closes it. */
export function openBackup(path: string): Connection {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw refuse("there is no such file");
  const connection = openReadOnly(path);
  try {
    if (connection.get<{ application_id: number }>("PRAGMA application_id", [])?.application_id !== APPLICATION_ID)
      throw refuse("it is not a backup that kennel backup has made");
    return connection;
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
}

function* collectionsIn(connection: Connection): Generator<BackupContents["collections"][number]> {
  let after: string | null = null;
  do {
    const page: ReturnType<typeof listCollections> = listCollections(connection, { after, limit: COLLECTIONS_PER_PAGE });
    for (const { name, documents, chunks } of page.items) yield { name, documents, chunks };
    after = page.next;
  } while (after !== null);
}

function checkPages(connection: Connection): void {
  const found = connection.all<{ integrity_check: string }>("PRAGMA integrity_check(1)", []);
  const orphans = connection.all("PRAGMA foreign_key_check", []);
  if (found[0]?.integrity_check !== "ok" || orphans.length > 0) throw refuse("it is damaged");
}

const openReadOnly = (path: string) => new Connection({ path, busyTimeoutMs: BUSY_TIMEOUT_MS, maxPages: 0, isReadOnly: true });

function refuse(why: string) {
  return kennelError("conflict", { message: `Cannot use the backup: ${why}` });
}
