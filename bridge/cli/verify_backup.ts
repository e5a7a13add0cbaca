import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BackedUpDocument, canRead, openCollection } from "../../actors/document_store/libsql_backup.ts";
import { contentHashOf } from "../../actors/ingest/accept.ts";
import { failed } from "./backup.ts";
import type { LocalContext } from "./context.ts";
import { startProgress } from "./progress.ts";
import { readWhole, restoreInto } from "./restore.ts";
import { CommandError, EXIT } from "./terminal.ts";

const DOCUMENTS_PER_TURN = 64;

/** One that came without a title may have been given its own since. */
function isAsAccepted(document: BackedUpDocument): boolean {
  return contentHashOf(document) === document.contentHash || contentHashOf({ ...document, title: "" }) === document.contentHash;
}

/**
 * Proves a backup by restoring it: its digest and every page are read, it becomes a data folder of its own, and each document
 * in it is read and compared with the hash that it was accepted with. What it does not do is build the indexes.
 */
export async function verifyBackup(context: LocalContext, from: string, { json }: { readonly json: boolean }): Promise<number> {
  const { clock, terminal, signal } = context;
  const startedMs = clock.monotonicMs();
  const progress = await startProgress(terminal, "Verifying", "MB");
  const folder = await mkdtemp(join(tmpdir(), "kennel-verify-"));
  try {
    const contents = await readWhole(from, progress);
    if (!canRead(contents))
      throw new CommandError("The backup is of an older Kennel: only a node that starts on it can read it", EXIT.failed);
    await restoreInto(folder, from, contents, progress);
    progress.stop();
    const reading = await startProgress(terminal, "Reading", "documents");
    const total = contents.collections.reduce((sum, { documents }) => sum + documents, 0);
    let documents = 0;
    try {
      for (const { name, documents: expected } of contents.collections) {
        let found = 0;
        const opened = openCollection(from, name);
        if (opened === null) throw new CommandError(`The collection "${name}" cannot be read`, EXIT.failed);
        try {
          for (const document of opened.documents) {
            if (!isAsAccepted(document))
              throw new CommandError(`A document of "${name}" is not what was accepted: ${JSON.stringify(document.id)}`, EXIT.failed);
            found += 1;
            documents += 1;
            if (documents % DOCUMENTS_PER_TURN !== 0) continue;
            reading.update(documents, total);
            signal.throwIfAborted();
          }
        } finally {
          opened.close();
        }
        if (found < expected) throw new CommandError(`"${name}" has ${found} documents, and says ${expected}`, EXIT.failed);
      }
    } finally {
      reading.stop();
    }
    const durationMs = Math.round(clock.monotonicMs() - startedMs);
    const { collections, node, takenAtMs } = contents;
    const takenAt = new Date(takenAtMs).toISOString();
    if (json)
      terminal.out(
        JSON.stringify({ file: from, node, taken_at: takenAt, collections: collections.length, documents, duration_ms: durationMs }),
      );
    else
      terminal.out(
        `${from} of ${takenAt} is whole: ${collections.length} collections, ${documents} documents (${(durationMs / 1_000).toFixed(1)} s)`,
      );
    return 0;
  } catch (thrown) {
    throw failed(thrown);
  } finally {
    progress.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
