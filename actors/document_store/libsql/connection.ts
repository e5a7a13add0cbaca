import Database from "libsql";
import { KennelError, kennelError } from "../../../runtime/errors.ts";

/** What a statement takes and gives. The driver aborts the process on anything else, so the type is kept narrow. */
export type SqlValue = string | number | null | Buffer;

/** Prepared statements kept; the store's own are fewer, only filters make new ones. */
const MAX_STATEMENTS = 256;

export interface ConnectionOptions {
  readonly path: string;
  /** How long a statement waits for another connection's lock. */
  readonly busyTimeoutMs: number;
  /** Pages the file may grow to; 0: no limit but the disk's. */
  readonly maxPages: number;
  /** For a caller that only reads: opening changes nothing in the file. (The driver knows an option for it and does not heed it.) @default false */
  readonly isReadOnly?: boolean;
}

/** One synchronous connection to the database file. Everything that goes wrong in it comes out as a `KennelError`. */
export class Connection {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(options: ConnectionOptions) {
    try {
      this.#database = new Database(options.path, { timeout: options.busyTimeoutMs });
      if (!options.isReadOnly) this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
      this.#database.exec("PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864");
      if (options.maxPages > 0) this.#database.exec(`PRAGMA max_page_count = ${Math.trunc(options.maxPages)}`);
    } catch (thrown) {
      throw toStoreError(thrown);
    }
  }

  /** Rows changed. */
  run(sql: string, parameters: readonly SqlValue[]): number {
    return this.#guard(() => this.#prepare(sql).run([...parameters]).changes);
  }

  get<Row>(sql: string, parameters: readonly SqlValue[]): Row | undefined {
    return this.#guard(() => this.#prepare(sql).get([...parameters]) as Row | undefined);
  }

  all<Row>(sql: string, parameters: readonly SqlValue[]): Row[] {
    return this.#guard(() => this.#prepare(sql).all([...parameters]) as Row[]);
  }

  /** Statements without parameters, several at once. */
  script(sql: string): void {
    this.#guard(() => this.#database.exec(sql));
  }

  /** All of `work` or nothing of it is on disk when this returns. Not nested. */
  transaction<Result>(work: () => Result): Result {
    this.script("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.script("COMMIT");
      return result;
    } catch (thrown) {
      // A full disk ends the transaction by itself.
      if (this.#database.inTransaction) this.script("ROLLBACK");
      throw thrown;
    }
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    if (this.#statements.size >= MAX_STATEMENTS) {
      const oldest = this.#statements.keys().next().value;
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    this.#statements.set(sql, statement);
    return statement;
  }

  #guard<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (thrown) {
      throw toStoreError(thrown);
    }
  }
}

function toStoreError(thrown: unknown): KennelError {
  if (thrown instanceof KennelError) return thrown;
  const code = String((thrown as { code?: unknown } | null)?.code ?? "");
  if (code.startsWith("SQLITE_FULL")) {
    return kennelError("storage_full", {
      message: "The document store has no space left; what it holds can still be read",
      retryAfterMs: 10_000,
      cause: thrown,
    });
  }
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) {
    return kennelError("unavailable", { message: "The document store is busy", retryAfterMs: 1000, cause: thrown });
  }
  const isFile = ["SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_PERM"].some((prefix) =>
    code.startsWith(prefix),
  );
  if (isFile) return kennelError("unavailable", { message: "The document store cannot use its file", retryAfterMs: 5000, cause: thrown });
  return kennelError("internal", { cause: thrown });
}
