import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { kennelError } from "./errors.ts";

export interface FolderLock {
  /** Idempotent. A process that ends without it, in whatever way, lets go as well. */
  release(): void;
}

/**
 * Takes the data folder for this process, making it where it does not exist. The lock is the operating system's on an
 * open file (SQLite's exclusive lock on an empty database), so it ends with its process, `kill -9` included, and no
 * stale file ever has to be removed. Throws `conflict` while another process, or this one, holds it.
 */
export function lockFolder(folder: string): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = new Database(join(folder, "kennel.lock"), { timeout: 0 });
  try {
    // Kept open and never written to: a journal is not made before the first write.
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (thrown) {
    database.close();
    const code = (thrown as { code?: unknown }).code;
    const isHeld = typeof code === "string" && code.startsWith("SQLITE_BUSY");
    if (!isHeld) throw thrown;
    throw kennelError("conflict", {
      message: "Cannot use the data folder: another Kennel process holds it; stop that one, or set KENNEL_DATA_DIR to another folder",
      cause: thrown,
    });
  }
  let isHeld = true;
  return {
    release() {
      if (!isHeld) return;
      isHeld = false;
      database.exec("ROLLBACK");
      database.close();
    },
  };
}
