import { type BackedUpDocument, canRead, type OpenCollection, openCollection } from "../../actors/document_store/libsql_backup.ts";
import { collectionSchema, fromCollection } from "../schema/collections.ts";
import { failed } from "./backup.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { BATCH_BYTES, BATCH_DOCUMENTS, type Batch, JobQueue, report } from "./ingest.ts";
import { startProgress } from "./progress.ts";
import { readWhole } from "./restore.ts";
import { CommandError, EXIT } from "./terminal.ts";

export interface RestoreCollectionOptions {
  readonly json: boolean;
  readonly collection: string;
  readonly as?: string;
}

/** Sends one collection of a backup to a node that runs, whatever its stores are: its settings, then its documents as they were sent once. */
export async function restoreCollection(context: CommandContext, from: string, options: RestoreCollectionOptions): Promise<number> {
  const { clock, terminal } = context;
  const startedMs = clock.monotonicMs();
  const name = options.as ?? options.collection;
  const reading = await startProgress(terminal, "Reading", "MB");
  let opened: OpenCollection | null;
  try {
    const contents = await readWhole(from, reading);
    if (!canRead(contents))
      throw new CommandError(
        "The backup is of an older Kennel: restore the whole of it into an empty data folder, and start a node on it",
        EXIT.failed,
      );
    opened = openCollection(from, options.collection);
    if (opened === null)
      throw new CommandError(`The backup has no collection "${options.collection}"; it has ${namesOf(contents.collections)}`, EXIT.failed);
  } catch (thrown) {
    throw failed(thrown);
  } finally {
    reading.stop();
  }
  try {
    await makeCollection(context, name, opened);
    const counted = { failed: 0 };
    const jobs = new JobQueue(context, await startProgress(terminal, `Restoring ${name}`, "documents"));
    try {
      for (const batch of batchesOf(opened.documents, counted)) await jobs.add(batch, name);
      await jobs.finish();
    } finally {
      jobs.progress.stop();
    }
    return report(context, name, jobs.finished, clock.monotonicMs() - startedMs, { json: options.json, expectedFailures: counted.failed });
  } finally {
    opened.close();
  }
}

/** A collection of this name that exists would be mixed with another one's documents. */
async function makeCollection({ client, signal }: CommandContext, name: string, { record }: OpenCollection): Promise<void> {
  const path = collectionPath(name);
  if ((await client.find(path, collectionSchema, signal)) !== null)
    throw new CommandError(`There is a collection "${name}"; give another name with --as, or delete that one first`, EXIT.failed);
  const value = { ...fromCollection(record, []).settings, attributes: record.attributes };
  await client.request("PUT", path, collectionSchema, { body: { kind: "json", value }, signal });
}

function* batchesOf(documents: Iterable<BackedUpDocument>, counted: { failed: number }): Generator<Batch> {
  let lines: string[] = [];
  let bytes = 0;
  const take = (): Batch => {
    const body = Uint8Array.from(Buffer.from(lines.join("\n")));
    const batch: Batch = { documents: lines.length, body: { kind: "bytes", mediaType: "application/x-ndjson", bytes: body } };
    lines = [];
    bytes = 0;
    return batch;
  };
  for (const document of documents) {
    if (document.hasFailed) counted.failed += 1;
    if (document.source.kind === "file") {
      yield { documents: 1, body: { kind: "form", form: formOf(document, document.source) } };
      continue;
    }
    const line = JSON.stringify(lineOf(document, document.source));
    if (lines.length > 0 && (lines.length >= BATCH_DOCUMENTS || bytes + line.length > BATCH_BYTES)) yield take();
    lines.push(line);
    bytes += line.length;
  }
  if (lines.length > 0) yield take();
}

type Source<Kind> = Extract<BackedUpDocument["source"], { readonly kind: Kind }>;

function lineOf({ id, title, url, attributes, principals, vector }: BackedUpDocument, { text, format }: Source<"text">): object {
  return { id, title, url, attributes, principals, text, format, ...(vector === null ? {} : { vector: [...vector] }) };
}

function formOf({ id, title, url, attributes, principals }: BackedUpDocument, { mediaType, fileName, bytes }: Source<"file">): FormData {
  const form = new FormData();
  form.append("files", new Blob([Uint8Array.from(bytes)], { type: mediaType }), fileName);
  for (const [name, value] of Object.entries({ id, title, url })) if (value !== "") form.append(name, value);
  form.append("attributes", JSON.stringify(attributes));
  form.append("principals", JSON.stringify(principals));
  return form;
}

const MAX_SHOWN = 10;

function namesOf(collections: readonly { readonly name: string }[]): string {
  const more = collections.length > MAX_SHOWN ? ` and ${collections.length - MAX_SHOWN} more` : "";
  return collections.length === 0
    ? "none"
    : collections
        .slice(0, MAX_SHOWN)
        .map(({ name }) => name)
        .join(", ") + more;
}
