/** Backups of the embedded document store, as the command line makes and restores them: beside a node that serves, or without one. */
import { rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { createWorkerPool } from "../../runtime/worker_pool.ts";
import { digestPath, sha256Of } from "./backup_digest.ts";
import type { CollectionRecord } from "./collection_record.ts";
import { type BackupContents, type BackupNotes, becomeStore, expectedBytes, openBackup, readBackup } from "./libsql/backup/backup_file.ts";
import type { BackupTask } from "./libsql/backup/backup_thread.ts";
import { type BackedUpDocument, storedDocuments } from "./libsql/backup/stored_documents.ts";
import { getCollection } from "./libsql/collections.ts";
import { SCHEMA_VERSION } from "./libsql/schema.ts";

export type { BackedUpDocument, BackupContents, BackupNotes };
export { becomeStore, readBackup };

const PROGRESS_MS = 100;
/** A store of some hundred gigabytes. */
const COPY_LIMIT_MS = 86_400_000;

export interface BackupRequest {
  /** The store's file; the node that serves from it may go on. */
  readonly from: string;
  readonly draft: string;
  /** Has its name when it is whole, checked and on disk. */
  readonly to: string;
  readonly notes: BackupNotes;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** Copies the store as of one moment. Rejects with `storage_full`, `unavailable` (the file cannot be used), `cancelled`. */
async function backUpStore({ onProgress, ...task }: BackupRequest, clock: Clock, signal: AbortSignal): Promise<BackupContents> {
  const total = expectedBytes(task.from);
  const pool = createWorkerPool<BackupTask, BackupContents>({
    name: "backup",
    entry: new URL("./libsql/backup/backup_thread.ts", import.meta.url),
    data: null,
    maxThreads: 1,
    maxQueue: 1,
    whenLate: "finish",
    clock,
  });
  const ended = new AbortController();
  const report = async () => {
    while (!ended.signal.aborted) {
      onProgress(Math.min(statSync(task.draft, { throwIfNoEntry: false })?.size ?? 0, total), total);
      await clock.sleep(PROGRESS_MS, ended.signal).catch(() => {});
    }
  };
  const reporting = report();
  try {
    return await pool.run(task, { timeoutMs: COPY_LIMIT_MS, signal });
  } finally {
    ended.abort();
    await reporting;
    await pool.close();
  }
}

/** As `backUpStore`, with its SHA-256 beside it as `sha256sum --check` reads it; nothing is left of one that fails. */
export async function backUpWithDigest(
  request: BackupRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<BackupContents & { readonly digest: string; readonly bytes: number }> {
  try {
    const contents = await backUpStore(request, clock, signal);
    const { digest, bytes } = await sha256Of(request.to, request.onProgress);
    await writeFile(digestPath(request.to), `${digest}  ${basename(request.to)}\n`);
    return { ...contents, digest, bytes };
  } finally {
    rmSync(request.draft, { force: true });
  }
}

export interface OpenCollection {
  readonly record: CollectionRecord;
  /** In the order in which they came. */
  readonly documents: Iterable<BackedUpDocument>;
  close(): void;
}

/** One collection of a backup, to be read; null: there is none of this name. Its format is this Kennel's own, see `canRead`. */
export function openCollection(path: string, name: string): OpenCollection | null {
  const connection = openBackup(path);
  const record = getCollection(connection, name);
  if (record !== null) return { record, documents: storedDocuments(connection, record.name), close: () => connection.close() };
  connection.close();
  return null;
}

/** Whether collections can be read out of it one by one; an older format is first brought up to date by a node that starts on it. */
export function canRead(contents: BackupContents): boolean {
  return contents.schemaVersion === SCHEMA_VERSION;
}
