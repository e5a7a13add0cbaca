import { kennelError } from "../../../runtime/errors.ts";
import { type AttributeType, isVisible, type VisibleFilter } from "../../vector_store/filter.ts";
import type { ParsedDocument, SourceDocument } from "../document_record.ts";
import type { JobRecord } from "../job_record.ts";
import { countWithin, mergeAttributes, notReplaceable, stateOf, toIndexedDocument, toStoredChunk } from "../rules.ts";
import { readBlobs, toBody, toSource } from "./bodies.ts";
import { attributesOf, type Database } from "./database.ts";
import { addFailures, changeJob, LeavingDocuments, newJob, requireJob, toJobRecord } from "./jobs.ts";
import type { DocumentDocument } from "./schema.ts";
import type { UnitOfWork } from "./unit_of_work.ts";

export function acceptDocuments(
  database: Database,
  nowMs: number,
  name: string,
  jobId: string,
  documents: readonly SourceDocument[],
  inferred: Readonly<Record<string, AttributeType>>,
  replaceable: VisibleFilter | null,
): Promise<JobRecord> {
  return database.write(name, async (unit, collection) => {
    const merged = mergeAttributes(name, attributesOf(collection), inferred);
    const { c } = collection;
    if ((await database.stores.jobs.findOne({ _id: jobId })) !== null)
      throw kennelError("conflict", { param: "id", message: "A job has this id" });
    const known = new Map(
      await database.getMany(
        database.stores.documents,
        documents.map((document) => idOf(c, document.id)),
      ),
    );
    const leaving = new LeavingDocuments(database);
    let unchanged = 0;
    let added = 0;
    for (const [place, document] of documents.entries()) {
      const before = known.get(idOf(c, document.id));
      if (before !== undefined && !mayReplace(before, replaceable)) throw notReplaceable(place);
      if (before !== undefined && isSettled(before, document)) {
        unchanged += 1;
        continue;
      }
      if (before === undefined) added += 1;
      else leaving.leave(before.job);
      const next = await replaceDocument(unit, nowMs, c, before, document, { job: jobId, place });
      known.set(next._id, { ...next, fence: 0 });
    }
    const job = newJob(nowMs, collection, { id: jobId, kind: "ingest", total: documents.length });
    const skipped = await leaving.collect(unit, jobId);
    const accepted = { ...job, counts: { ...job.counts, unchanged, skipped } };
    unit.put("jobs", accepted);
    unit.put("collections", {
      ...collection,
      attributes: JSON.stringify(merged),
      documents: collection.documents + added,
      jobs: job.number,
      updatedAtMs: nowMs,
    });
    return toJobRecord(accepted);
  });
}

/** One that is leaving is nobody's any more. */
function mayReplace({ principals, isDeleting }: DocumentDocument, replaceable: VisibleFilter | null): boolean {
  return replaceable === null || isDeleting || isVisible(replaceable, principals);
}

function isSettled(known: DocumentDocument, document: SourceDocument): boolean {
  return (known.state === "indexed" || known.state === "skipped") && !known.isDeleting && known.contentHash === document.contentHash;
}

async function replaceDocument(
  unit: UnitOfWork,
  nowMs: number,
  c: string,
  before: DocumentDocument | undefined,
  document: SourceDocument,
  waiting: { readonly job: string; readonly place: number },
): Promise<Omit<DocumentDocument, "fence">> {
  const { bytes, ...body } = toBody(document);
  const next: Omit<DocumentDocument, "fence"> = {
    _id: idOf(c, document.id),
    c,
    id: document.id,
    title: document.title,
    url: document.url,
    attributes: document.attributes,
    principals: document.principals,
    contentHash: document.contentHash,
    state: "pending",
    failure: null,
    chunks: before?.chunks ?? 0,
    isDeleting: false,
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: nowMs,
    ...waiting,
    ...body,
    body: await unit.putBlob(c, bytes),
    text: null,
  };
  unit.put("documents", next);
  if (before !== undefined) {
    unit.deleteBlob(before.body);
    unit.deleteBlob(before.text);
  }
  return next;
}

export async function pendingDocuments(database: Database, jobId: string, limit: number, maxBytes: number): Promise<SourceDocument[]> {
  await requireJob(database, jobId);
  const waiting = await database.stores.documents.find({ job: jobId, isDeleting: false }).sort({ place: 1 }).limit(limit).toArray();
  const fitting = waiting.slice(
    0,
    countWithin(
      waiting.map((document) => document.body.bytes - document.vectorBytes),
      maxBytes,
    ),
  );
  const bodies = await readBlobs(
    database,
    fitting.map((document) => document.body),
  );
  return fitting.flatMap((document) => {
    const body = bodies.get(document.body.id);
    // One that was replaced meanwhile is another job's now.
    return body === undefined ? [] : [toSourceDocument(document, body)];
  });
}

export function toSourceDocument(document: DocumentDocument, body: Uint8Array): SourceDocument {
  const { id, title, url, attributes, principals, contentHash } = document;
  return { id, title, url, attributes, principals, contentHash, ...toSource(document, body) };
}

export function putChunks(database: Database, name: string, version: number, documents: readonly ParsedDocument[]): Promise<void> {
  return database.write(name, async (unit, { c }) => {
    const { stores } = database;
    const known = await database.getMany(
      stores.documents,
      documents.map((document) => idOf(c, document.id)),
    );
    // One that was replaced or removed since its job read it keeps what it has become.
    const current = documents.flatMap((parsed) => {
      const document = known.get(idOf(c, parsed.id));
      const isCurrent = document !== undefined && !document.isDeleting && document.contentHash === parsed.contentHash;
      return isCurrent ? [{ document, parsed }] : [];
    });
    const chunksId = (id: string) => `${c}/${version}/${id}`;
    const before = await database.getMany(
      stores.chunks,
      current.map(({ parsed }) => chunksId(parsed.id)),
    );
    await putTexts(database, unit, current);
    for (const { parsed } of current) {
      const parents = parsed.parents.map((parent) => parent.id);
      for (const parent of parsed.parents) unit.put("parents", { _id: chunksId(parent.id), c, version, id: parent.id, text: parent.text });
      const kept = new Set(parents);
      for (const id of before.get(chunksId(parsed.id))?.parents ?? []) if (!kept.has(id)) unit.delete("parents", chunksId(id));
      const chunks = parsed.chunks.map(toStoredChunk);
      unit.put("chunks", { _id: chunksId(parsed.id), c, version, chunks, parents });
    }
  });
}

/** Stores the title and text that parsing has found; a text that was parsed to itself is not stored twice. */
async function putTexts(
  database: Database,
  unit: UnitOfWork,
  documents: readonly { readonly document: DocumentDocument; readonly parsed: ParsedDocument }[],
): Promise<void> {
  const isAsLong = ({ document, parsed }: (typeof documents)[number]) =>
    document.kind === "text" && Buffer.byteLength(parsed.text) === document.body.bytes - document.vectorBytes;
  const sources = await readBlobs(
    database,
    documents.filter(isAsLong).map(({ document }) => document.body),
  );
  for (const { document, parsed } of documents) {
    const source = sources.get(document.body.id);
    const isItself = source !== undefined && Buffer.from(parsed.text, "utf8").equals(source.subarray(document.vectorBytes));
    if (isItself && document.text === null && document.title === parsed.title) continue;
    const text = isItself ? null : await unit.putBlob(document.c, Buffer.from(parsed.text, "utf8"));
    unit.set("documents", document._id, { title: parsed.title, text });
    unit.deleteBlob(document.text);
  }
}

export function markIndexed(
  database: Database,
  nowMs: number,
  jobId: string,
  name: string,
  documents: readonly ParsedDocument[],
): Promise<number> {
  return changeJob(database, jobId, async (unit, job, collection) => {
    const { c } = collection;
    const known = await database.getMany(
      database.stores.documents,
      documents.map((document) => idOf(c, document.id)),
    );
    const counts = { ...job.counts };
    const failures: { documentId: string; message: string }[] = [];
    let grownBy = 0;
    for (const document of documents.map(toIndexedDocument)) {
      const found = known.get(idOf(c, document.id));
      if (found?.job !== jobId || found.contentHash !== document.contentHash) continue;
      const state = stateOf(document);
      counts[state] += 1;
      counts.chunks += document.chunks;
      grownBy += document.chunks - found.chunks;
      if (document.failure !== null) failures.push({ documentId: document.id, message: document.failure });
      unit.set("documents", found._id, { state, failure: document.failure, chunks: document.chunks, job: null });
    }
    const indexVersion = collection.indexVersion + 1;
    unit.put("jobs", { ...job, counts, failures: addFailures(job, failures) });
    unit.set("collections", name, { chunks: collection.chunks + grownBy, indexVersion, updatedAtMs: nowMs });
    return indexVersion;
  });
}

export function idOf(c: string, documentId: string): string {
  return `${c}/${documentId}`;
}
