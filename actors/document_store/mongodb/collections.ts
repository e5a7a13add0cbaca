import { randomUUID } from "node:crypto";
import type { AliasRecord, CollectionRecord, CollectionSettings } from "../collection_record.ts";
import type { Page } from "../document_store.ts";
import { mergeAttributes, nameTaken, toPage } from "../rules.ts";
import { attributesOf, type Database, toCollectionRecord } from "./database.ts";
import type { CollectionDocument } from "./schema.ts";
import { MAX_COMMAND_WRITES } from "./unit_of_work.ts";

export function createCollection(database: Database, nowMs: number, name: string, settings: CollectionSettings): Promise<CollectionRecord> {
  return database.writeName(name, async (unit) => {
    const known = await database.stores.collections.findOne({ _id: name });
    if (known !== null) throw nameTaken(name, known.isDeleting);
    const document: Omit<CollectionDocument, "fence"> = {
      _id: name,
      c: randomUUID(),
      settings: JSON.stringify(settings),
      attributes: JSON.stringify(settings.attributes),
      version: 1,
      versions: "[]",
      indexVersion: 0,
      documents: 0,
      chunks: 0,
      jobs: 0,
      isDeleting: false,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    unit.put("collections", document);
    return toCollectionRecord({ ...document, fence: 0 });
  });
}

export function updateCollection(database: Database, nowMs: number, name: string, settings: CollectionSettings): Promise<CollectionRecord> {
  return database.write(name, async (unit, collection) => {
    const attributes = mergeAttributes(name, attributesOf(collection), settings.attributes);
    const updated = {
      ...collection,
      settings: JSON.stringify(settings),
      attributes: JSON.stringify(attributes),
      updatedAtMs: nowMs,
    };
    unit.put("collections", updated);
    return toCollectionRecord(updated);
  });
}

export async function getCollection(database: Database, name: string): Promise<CollectionRecord | null> {
  const found = await database.stores.collections.findOne({ _id: name });
  return found === null || found.isDeleting ? null : toCollectionRecord(found);
}

export async function listCollections(
  database: Database,
  page: { readonly after: string | null; readonly limit: number },
): Promise<Page<CollectionRecord>> {
  const found = await database.stores.collections
    .find({ _id: { $gt: page.after ?? "" }, isDeleting: false })
    .sort({ _id: 1 })
    .limit(page.limit + 1)
    .toArray();
  return toPage(found.map(toCollectionRecord), page.limit, (record) => record.name);
}

export async function beginDeleteCollection(database: Database, name: string): Promise<CollectionRecord | null> {
  if ((await getCollection(database, name)) === null) return null;
  return database.writeName(name, async (unit) => {
    const found = await database.stores.collections.findOne({ _id: name });
    if (found === null || found.isDeleting) return null;
    unit.put("collections", { ...found, isDeleting: true });
    return toCollectionRecord(found);
  });
}

export async function deletingCollections(database: Database, limit: number): Promise<CollectionRecord[]> {
  const found = await database.stores.collections.find({ isDeleting: true }).sort({ createdAtMs: 1, _id: 1 }).limit(limit).toArray();
  return found.map(toCollectionRecord);
}

/** Its name stays taken until all the rest is gone, so that a removal that was cut off is done again. */
export async function deleteCollection(database: Database, name: string): Promise<boolean> {
  if ((await database.stores.collections.findOne({ _id: name })) === null) return false;
  await beginDeleteCollection(database, name);
  return database.writeName(name, async (unit) => {
    const { stores } = database;
    const found = await stores.collections.findOne({ _id: name });
    if (found === null) return false;
    const { c } = found;
    await stores.aliases.deleteMany({ c });
    await stores.jobs.deleteMany({ c });
    await stores.uses.deleteOne({ _id: c });
    for (const store of [stores.parents, stores.chunks, stores.blobs, stores.documents]) {
      await unit.keepLease();
      await store.deleteMany({ c });
    }
    unit.delete("collections", name);
    return true;
  });
}

export function putAlias(database: Database, alias: AliasRecord): Promise<void> {
  return database.write(alias.collection, async (unit, { c }) => {
    unit.put("aliases", { _id: alias.alias, c, collection: alias.collection, version: alias.version });
  });
}

export async function deleteAlias(database: Database, alias: string): Promise<boolean> {
  const removed = await database.stores.aliases.deleteOne({ _id: alias });
  return removed.deletedCount > 0;
}

export async function listAliases(database: Database): Promise<AliasRecord[]> {
  const leaving = new Set(await database.deletingKeys());
  const found = await database.stores.aliases.find().sort({ _id: 1 }).toArray();
  return found.filter((alias) => !leaving.has(alias.c)).map(({ _id: alias, collection, version }) => ({ alias, collection, version }));
}

/** Uses of collections that are gone are forgotten. */
export async function noteUse(
  database: Database,
  uses: readonly { readonly collection: string; readonly atMs: number; readonly count: number }[],
): Promise<void> {
  const known = await database.getMany(
    database.stores.collections,
    uses.map((use) => use.collection),
  );
  const operations = uses.flatMap(({ collection, atMs }) => {
    const c = known.get(collection)?.c;
    if (c === undefined) return [];
    const update = { $set: { name: collection }, $max: { lastUsedMs: atMs } };
    return [{ updateOne: { filter: { _id: c }, update, upsert: true } }];
  });
  for (let from = 0; from < operations.length; from += MAX_COMMAND_WRITES) {
    await database.stores.uses.bulkWrite(operations.slice(from, from + MAX_COMMAND_WRITES), { ordered: false });
  }
}

export async function recentlyUsed(database: Database, limit: number): Promise<string[]> {
  const leaving = new Set(await database.deletingKeys());
  const found = await database.stores.uses
    .find()
    .sort({ lastUsedMs: -1, name: 1 })
    .limit(limit + leaving.size)
    .toArray();
  return found
    .filter((use) => !leaving.has(use._id))
    .slice(0, limit)
    .map((use) => use.name);
}
