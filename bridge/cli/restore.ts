import { createReadStream, createWriteStream, existsSync, readdirSync, rmSync } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { digestPath, expectedDigest, sha256Of } from "../../actors/document_store/backup_digest.ts";
import { DATABASE_FILE } from "../../actors/document_store/libsql.ts";
import { type BackupContents, becomeStore, readBackup } from "../../actors/document_store/libsql_backup.ts";
import { lockFolder } from "../../runtime/folder_lock.ts";
import { embeddedStore, failed, megabytes } from "./backup.ts";
import type { LocalContext } from "./context.ts";
import { type Progress, startProgress } from "./progress.ts";
import { CommandError, EXIT } from "./terminal.ts";

/** What a data folder may hold and still be empty: the lock, which stays behind, callers' keys, which no backup holds, and what a new file system has at its root. */
const NO_CONTENT = /^(kennel\.lock|keys(_used)?\.json$|lost\+found$)/;
const SETTINGS_FILE = "restored_settings.json";

/**
 * Makes a backup the content of a data folder that has none. The node that starts on it builds the indexes from the documents;
 * until it has, searches of a collection answer `unavailable`.
 */
export async function restore(context: LocalContext, from: string, { json }: { readonly json: boolean }): Promise<number> {
  const { config, clock, terminal } = context;
  embeddedStore(config);
  const startedMs = clock.monotonicMs();
  const progress = await startProgress(terminal, "Restoring", "MB");
  let contents: BackupContents;
  try {
    contents = await readWhole(from, progress);
    await restoreInto(config.dataDir, from, contents, progress);
  } catch (thrown) {
    throw failed(thrown);
  } finally {
    progress.stop();
  }
  const durationMs = Math.round(clock.monotonicMs() - startedMs);
  const { collections, takenAtMs, node, version } = contents;
  if (json)
    terminal.out(
      JSON.stringify({ data_dir: config.dataDir, node, version, taken_at: iso(takenAtMs), collections, duration_ms: durationMs }),
    );
  else {
    const documents = collections.reduce((sum, collection) => sum + collection.documents, 0);
    terminal.out(
      `${collections.length} collections, ${documents} documents of ${iso(takenAtMs)} are in ${config.dataDir} (${(durationMs / 1_000).toFixed(1)} s)`,
    );
    terminal.err(`Start the node: it builds the indexes. The settings that "${node}" ran with are in ${SETTINGS_FILE}, secrets masked`);
  }
  return 0;
}

/** @param contents of the backup, read whole before. Throws where the folder holds something, or another process holds it. */
export async function restoreInto(dataDir: string, from: string, contents: BackupContents, progress: Progress): Promise<void> {
  const store = join(dataDir, DATABASE_FILE);
  const draft = `${store}.part`;
  const lock = lockFolder(dataDir);
  try {
    refuseContent(dataDir);
    await copy(from, draft, progress);
    readBackup(draft); // what was copied, not what was read before
    await writeFile(join(dataDir, SETTINGS_FILE), `${JSON.stringify(JSON.parse(contents.settings), null, 2)}\n`, { mode: 0o600 });
    becomeStore(draft, store);
  } finally {
    rmSync(draft, { force: true });
    lock.release();
  }
}

/** Reads all of a backup, and compares it with its digest where there is one. */
export async function readWhole(from: string, progress: Progress): Promise<BackupContents> {
  if (!existsSync(from)) throw new CommandError(`There is no file ${from}`, EXIT.misused);
  const expected = await expectedDigest(from);
  if (expected !== null) {
    const { digest } = await sha256Of(from, (done, total) => progress.update(megabytes(done), megabytes(total)));
    if (digest !== expected) throw new CommandError(`${from} is damaged: its SHA-256 is not the one in ${digestPath(from)}`, EXIT.failed);
  }
  return readBackup(from);
}

function refuseContent(dataDir: string): void {
  const found = readdirSync(dataDir).find((name) => !NO_CONTENT.test(name));
  if (found === undefined) return;
  throw new CommandError(
    `Cannot restore into ${dataDir}: it holds ${found}. Name another folder with KENNEL_DATA_DIR; one collection is restored into a node that runs with --collection`,
    EXIT.failed,
  );
}

async function copy(from: string, to: string, progress: Progress): Promise<void> {
  const { size } = await stat(from);
  let done = 0;
  const counting = new Transform({
    transform(piece: Buffer, _encoding, next) {
      done += piece.length;
      progress.update(megabytes(done), megabytes(size));
      next(null, piece);
    },
  });
  await pipeline(createReadStream(from), counting, createWriteStream(to, { mode: 0o600, flush: true }));
}

const iso = (ms: number) => new Date(ms).toISOString();
