import type { Filter as MongoFilter } from "mongodb";
import { type Filter, isVisible, type VisibleFilter } from "../../vector_store/filter.ts";
import type { DocumentRecord, StoredParent } from "../document_record.ts";
import type { DocumentPage, Page } from "../document_store.ts";
import { documentOfParent, toPage } from "../rules.ts";
import { readBlobs, toText } from "./bodies.ts";
import { type Database, versionsOf } from "./database.ts";
import { filterToQuery } from "./filter_query.ts";
import { idOf } from "./ingest.ts";
import { LeavingDocuments } from "./jobs.ts";
import type { CollectionDocument, DocumentDocument } from "./schema.ts";

type ListedDocument = Omit<DocumentRecord, "text">;
type IdPage = { readonly after: string | null; readonly limit: number };

/** Times that a document's text is looked for while others replace it. */
const MAX_READS = 3;

export async function getDocument(database: Database, name: string, id: string): Promise<DocumentRecord | null> {
  const { c } = await database.collection(name);
  for (let attempt = 1; ; attempt++) {
    const found = await database.stores.documents.findOne({ _id: idOf(c, id) });
    if (found === null || found.isDeleting) return null;
    const blob = found.text ?? (found.kind === "text" ? found.body : null);
    if (blob === null) return { ...toListed(found), text: "" };
    const bytes = (await readBlobs(database, [blob])).get(blob.id);
    // Replaced between the two reads.
    if (bytes === undefined && attempt < MAX_READS) continue;
    const source = toText((bytes ?? new Uint8Array()).subarray(found.text === null ? found.vectorBytes : 0));
    return { ...toListed(found), text: found.text === null ? source.replaceAll("\u0000", " ") : source };
  }
}

export async function listDocuments(database: Database, name: string, page: DocumentPage): Promise<Page<ListedDocument>> {
  const { c } = await database.collection(name);
  const inPage = { c, id: { $gt: page.after ?? "" }, isDeleting: false };
  const found = await findPage(database, page.visible === undefined ? inPage : { $and: [inPage, filterToQuery(page.visible)] }, page.limit);
  return toPage(found.map(toListed), page.limit, (document) => document.id);
}

export async function matchDocuments(database: Database, name: string, filter: Filter, page: IdPage): Promise<Page<string>> {
  const { c } = await database.collection(name);
  const found = await findPage(
    database,
    { $and: [{ c, id: { $gt: page.after ?? "" }, isDeleting: false }, filterToQuery(filter)] },
    page.limit,
  );
  return toPage(
    found.map((document) => document.id),
    page.limit,
    (id) => id,
  );
}

function findPage(database: Database, query: MongoFilter<DocumentDocument>, limit: number): Promise<DocumentDocument[]> {
  return database.stores.documents
    .find(query)
    .sort({ id: 1 })
    .limit(limit + 1)
    .toArray();
}

export async function expiredDocuments(database: Database, name: string, beforeMs: number, limit: number): Promise<string[]> {
  const { c } = await database.collection(name);
  const found = await database.stores.documents
    .find({ c, updatedAtMs: { $lt: beforeMs }, isDeleting: false })
    .sort({ updatedAtMs: 1, id: 1 })
    .limit(limit)
    .toArray();
  return found.map((document) => document.id);
}

export function markDeleting(database: Database, name: string, ids: readonly string[], visible: VisibleFilter | null): Promise<string[]> {
  return database.write(name, async (unit, { c }) => {
    const known = await database.getMany(
      database.stores.documents,
      ids.map((id) => idOf(c, id)),
    );
    const leaving = new LeavingDocuments(database);
    const marked: string[] = [];
    for (const id of ids) {
      const found = known.get(idOf(c, id));
      if (found === undefined || (visible !== null && !isVisible(visible, found.principals))) continue;
      if (!marked.includes(id)) leaving.leave(found.job);
      unit.set("documents", found._id, { isDeleting: true, job: null });
      marked.push(id);
    }
    await leaving.collect(unit, null);
    return marked;
  });
}

export async function deletingDocuments(database: Database, limit: number): Promise<{ collection: string; id: string }[]> {
  const found = await database.stores.documents
    .find({ isDeleting: true }, { projection: { c: 1, id: 1 } })
    .limit(limit)
    .toArray();
  if (found.length === 0) return [];
  const names = new Map<string, string>();
  const collections = database.stores.collections.find({ isDeleting: false }, { projection: { c: 1 } });
  for await (const collection of collections) names.set(collection.c, collection._id);
  return found.flatMap(({ c, id }) => {
    const collection = names.get(c);
    return collection === undefined ? [] : [{ collection, id }];
  });
}

export function removeDocuments(database: Database, nowMs: number, name: string, ids: readonly string[]): Promise<number> {
  return database.write(name, async (unit, collection) => {
    const { c } = collection;
    const known = await database.getMany(
      database.stores.documents,
      ids.map((id) => idOf(c, id)),
    );
    const leaving = [...known.values()].filter((document) => document.isDeleting);
    if (leaving.length === 0) return collection.indexVersion;
    for (const document of leaving) unit.delete("documents", document._id);
    const chunkIds = leaving.flatMap(({ id }) => versionNumbers(collection).map((version) => `${c}/${version}/${id}`));
    for (const chunks of (await database.getMany(database.stores.chunks, chunkIds)).values()) {
      unit.delete("chunks", chunks._id);
      for (const parent of chunks.parents) unit.delete("parents", `${c}/${chunks.version}/${parent}`);
    }
    for (const document of leaving) {
      unit.deleteBlob(document.body);
      unit.deleteBlob(document.text);
    }
    const chunks = leaving.reduce((sum, document) => sum + document.chunks, 0);
    unit.set("collections", name, {
      documents: collection.documents - leaving.length,
      chunks: collection.chunks - chunks,
      indexVersion: collection.indexVersion + 1,
      updatedAtMs: nowMs,
    });
    return collection.indexVersion + 1;
  });
}

function versionNumbers(collection: CollectionDocument): readonly number[] {
  return [collection.version, ...versionsOf(collection).map((version) => version.version)];
}

export async function getParents(database: Database, name: string, version: number, ids: readonly string[]): Promise<StoredParent[]> {
  const { c } = await database.collection(name);
  const found = await database.getMany(
    database.stores.parents,
    ids.map((id) => `${c}/${version}/${id}`),
  );
  const documents = await database.getMany(database.stores.documents, [
    ...new Set([...found.values()].map(({ id }) => idOf(c, documentOfParent(id)))),
  ]);
  return [...found.values()].flatMap(({ id, text }) => {
    const document = documents.get(idOf(c, documentOfParent(id)));
    return document === undefined ? [] : [{ id, text, principals: document.principals }];
  });
}

function toListed(document: DocumentDocument): ListedDocument {
  const { id, title, url, attributes, principals, contentHash, state, failure, chunks, createdAtMs, updatedAtMs } = document;
  return { id, title, url, attributes, principals, contentHash, state, failure, chunks, createdAtMs, updatedAtMs };
}
