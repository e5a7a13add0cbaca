import { hash } from "node:crypto";
import { rmSync } from "node:fs";
import Database from "libsql";
import { kennelError } from "../../../runtime/errors.ts";

interface Row {
  readonly checksum: string;
  readonly bytes: Buffer;
}

const PAGE_BYTES = 4_096;
/** Of each row beside its key and vector: rowid, lengths, checksum, its share of the index. */
const ROW_OVERHEAD_BYTES = 160;
const EVICT_ROWS = 512;
/** Evicted down to this share of the bound, so that a full table does not evict with every write. */
const EVICT_TO = 0.9;
/** Codes of a file whose content is not what was written. */
const DAMAGED = ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ"];

/** Rows of key, checksum and vector in the order they were written. Synchronous: for a thread that has nothing else to do. */
export class EmbeddingTable {
  readonly #path: string;
  readonly #maxBytes: number;
  #database: Database.Database;
  #entries = 0;
  #bytes = 0;

  /** @throws KennelError `unavailable` when the file cannot be made */
  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    try {
      this.#database = this.#open();
    } catch (thrown) {
      if (!isDamaged(thrown)) throw toStoreError(thrown);
      this.#database = this.#openAnew();
    }
  }

  /** What the rows take, in whole pages. */
  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#entries, bytes: this.#bytes };
  }

  /** One entry a key; null: not there, or not what was written. */
  read(keys: readonly string[]): readonly (Buffer | null)[] {
    return this.#guarded(
      () => {
        const select = this.#database.prepare("SELECT checksum, bytes FROM embeddings WHERE key = ?");
        return keys.map((key) => {
          const row = select.get(key) as Row | undefined;
          return row !== undefined && row.checksum === checksumOf(key, row.bytes) ? Buffer.from(row.bytes) : null;
        });
      },
      () => keys.map(() => null),
    );
  }

  write(entries: readonly { readonly key: string; readonly bytes: Uint8Array }[]): void {
    this.#guarded(
      () => {
        this.#database.exec("BEGIN IMMEDIATE");
        try {
          const remove = this.#database.prepare("DELETE FROM embeddings WHERE key = ?");
          const insert = this.#database.prepare("INSERT INTO embeddings (key, cost, checksum, bytes) VALUES (?, ?, ?, ?)");
          for (const { key, bytes } of entries) {
            const packed = Buffer.from(bytes);
            // Deleted first, so that what is written again counts as new.
            remove.run(key);
            insert.run(key, costOf(key, packed), checksumOf(key, packed), packed);
          }
          this.#evict();
          this.#database.exec("COMMIT");
        } catch (thrown) {
          if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
          throw thrown;
        } finally {
          this.#measure();
        }
      },
      () => undefined,
    );
  }

  close(): void {
    this.#database.close();
  }

  /** The oldest first, until the rest fits. */
  #evict(): void {
    this.#measure();
    if (this.#bytes <= this.#maxBytes) return;
    const oldest = this.#database.prepare(`SELECT rowid AS id, cost FROM embeddings ORDER BY rowid LIMIT ${EVICT_ROWS}`);
    const removeUpTo = this.#database.prepare("DELETE FROM embeddings WHERE rowid <= ?");
    let excess = this.#bytes - this.#maxBytes * EVICT_TO;
    for (let isOver = true; isOver; isOver = excess > 0) {
      const rows = oldest.all() as { readonly id: number; readonly cost: number }[];
      let last = 0;
      for (const { id, cost } of rows) {
        if (excess <= 0) break;
        excess -= cost;
        last = id;
      }
      if (last === 0) return;
      removeUpTo.run(last);
    }
  }

  #measure(): void {
    const totals = this.#database.prepare("SELECT entries, bytes FROM totals").get() as { entries: number; bytes: number };
    this.#entries = totals.entries;
    this.#bytes = totals.bytes;
  }

  #open(): Database.Database {
    const database = new Database(this.#path, { timeout: 5_000 });
    try {
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216");
      // Triggers keep the totals, within the transaction of what changes them.
      database.exec(`
        CREATE TABLE IF NOT EXISTS embeddings (key TEXT NOT NULL UNIQUE, cost INTEGER NOT NULL, checksum TEXT NOT NULL, bytes BLOB NOT NULL);
        CREATE TABLE IF NOT EXISTS totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
        INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
        CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON embeddings
          BEGIN UPDATE totals SET entries = entries + 1, bytes = bytes + new.cost; END;
        CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON embeddings
          BEGIN UPDATE totals SET entries = entries - 1, bytes = bytes - old.cost; END;`);
      const totals = database.prepare("SELECT entries, bytes FROM totals").get() as { entries: number; bytes: number };
      this.#entries = totals.entries;
      this.#bytes = totals.bytes;
      return database;
    } catch (thrown) {
      database.close();
      throw thrown;
    }
  }

  #openAnew(): Database.Database {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(this.#path + suffix, { force: true });
    try {
      return this.#open();
    } catch (thrown) {
      throw toStoreError(thrown);
    }
  }

  #guarded<Result>(work: () => Result, whenDamaged: () => Result): Result {
    try {
      return work();
    } catch (thrown) {
      if (!isDamaged(thrown)) throw toStoreError(thrown);
      this.#database.close();
      this.#database = this.#openAnew();
      return whenDamaged();
    }
  }
}

function costOf(key: string, bytes: Buffer): number {
  return Math.ceil((key.length + bytes.byteLength + ROW_OVERHEAD_BYTES) / PAGE_BYTES) * PAGE_BYTES;
}

/** Bound to the key, so that a row in another one's place is noticed. */
function checksumOf(key: string, bytes: Buffer): string {
  return hash("sha256", Buffer.concat([Buffer.from(key), bytes]), "base64url").slice(0, 16);
}

const codeOf = (thrown: unknown) => String((thrown as { readonly code?: unknown } | null)?.code ?? "");

function isDamaged(thrown: unknown): boolean {
  return DAMAGED.some((code) => codeOf(thrown).startsWith(code));
}

function toStoreError(thrown: unknown) {
  const isFull = codeOf(thrown).startsWith("SQLITE_FULL");
  return isFull
    ? kennelError("storage_full", { message: "There is no space left for embeddings on disk", cause: thrown })
    : kennelError("unavailable", { message: "The embeddings on disk cannot be used", cause: thrown });
}
