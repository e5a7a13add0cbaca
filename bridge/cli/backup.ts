import { existsSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_FILE } from "../../actors/document_store/libsql.ts";
import { backUpWithDigest } from "../../actors/document_store/libsql_backup.ts";
import { printableConfig } from "../../config/print.ts";
import type { Config } from "../../config/schema.ts";
import { toKennelError } from "../../runtime/errors.ts";
import { VERSION } from "../../runtime/version.ts";
import type { LocalContext } from "./context.ts";
import { startProgress } from "./progress.ts";
import { CommandError, EXIT } from "./terminal.ts";

/**
 * Copies what this machine's data folder holds into one file, as of one moment, while its node serves or without one. The
 * file is read again before it gets its name; beside it lies its SHA-256, as `sha256sum --check` reads it.
 */
export async function backup({ config, clock, terminal, signal }: LocalContext, to: string, { json }: { readonly json: boolean }) {
  const from = embeddedStore(config);
  if (existsSync(to)) throw new CommandError(`${to} exists; name a file that does not`, EXIT.misused);
  if (!existsSync(from)) throw new CommandError(`There is nothing to back up: ${config.dataDir} holds no collections`, EXIT.failed);
  const startedMs = clock.monotonicMs();
  const notes = { version: VERSION, node: config.nodeName, takenAtMs: clock.wallMs(), settings: JSON.stringify(printableConfig(config)) };
  const progress = await startProgress(terminal, "Backing up", "MB");
  try {
    const onProgress = (done: number, total: number) => progress.update(megabytes(done), megabytes(total));
    const { collections, digest, bytes } = await backUpWithDigest({ from, draft: `${to}.part`, to, notes, onProgress }, clock, signal);
    const durationMs = Math.round(clock.monotonicMs() - startedMs);
    const documents = collections.reduce((sum, collection) => sum + collection.documents, 0);
    if (json) terminal.out(JSON.stringify({ file: to, bytes, sha256: digest, collections, duration_ms: durationMs }));
    else
      terminal.out(
        `${to}: ${collections.length} collections, ${documents} documents, ${megabytes(bytes)} MB (${(durationMs / 1_000).toFixed(1)} s)`,
      );
    return 0;
  } catch (thrown) {
    throw failed(thrown);
  } finally {
    progress.stop();
  }
}

/** The embedded document store's file. Throws where documents are elsewhere: what backs them up is that database's own tool. */
export function embeddedStore(config: Config): string {
  if (config.mongodb.url === "") return join(config.dataDir, DATABASE_FILE);
  throw new CommandError(
    "Documents are in MongoDB: back it up with mongodump and restore it with mongorestore; indexes that are missing are built anew from it",
    EXIT.misused,
  );
}

export function megabytes(bytes: number): number {
  return Math.round(bytes / 100_000) / 10;
}

/** What went wrong with a file, as people read it. */
export function failed(thrown: unknown): CommandError {
  if (thrown instanceof CommandError) return thrown;
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === "ENOSPC") return new CommandError("There is no space left on the disk", EXIT.failed, { cause: thrown });
  if (code === "EACCES" || code === "EPERM" || code === "ENOENT" || code === "EROFS" || code === "EISDIR")
    return new CommandError((thrown as Error).message, EXIT.failed, { cause: thrown });
  return new CommandError(toKennelError(thrown).message, EXIT.failed, { cause: thrown });
}
