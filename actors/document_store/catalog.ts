import { kennelError } from "../../runtime/errors.ts";
import type { AliasRecord, CollectionRecord, CollectionSettings, DocumentStore, Page } from "./document_store.ts";

// Invariants:
//   C1. The document store is written first; the view follows what it acknowledged.
//   C2. A name is a collection or an alias, never both.
//   C3. Reading the view never waits and never touches the store.

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const LOAD_PAGE = 1000;
/** Settings a change of which would make the rows that are indexed wrong. */
const BUILT_IN = ["language", "embedding", "chunking"] as const satisfies readonly (keyof CollectionSettings)[];

/** What a collection has in the stores of vectors and words; it is made after the record and dropped before it. */
export interface CollectionIndexes {
  /** Idempotent. An outage does not undo the collection: ingest makes the index when the store is back. */
  create(record: CollectionRecord, signal: AbortSignal): Promise<void>;
  /** Idempotent; when it has resolved, nothing writes to the collection's indexes any more. */
  drop(record: CollectionRecord, signal: AbortSignal): Promise<void>;
}

export interface CatalogOptions {
  readonly store: DocumentStore;
  readonly indexes: CollectionIndexes;
  readonly maxCollections: number;
  readonly maxAliases: number;
  /** Told after the view has changed; a collection that is gone comes as null. */
  readonly onChange: (name: string, record: CollectionRecord | null) => void;
}

export interface Resolved {
  readonly record: CollectionRecord;
  /** The build to search: the alias's, or else the collection's active one. */
  readonly version: number;
}

/** This node's view of collections and aliases, in memory. */
export interface Catalog {
  readonly size: number;
  /** By a collection's or an alias's name. */
  resolve(nameOrAlias: string): Resolved | null;
  /** As `resolve`, but throws `not_found`. */
  require(nameOrAlias: string): Resolved;
  /** Ordered by name. */
  list(page: { readonly after: string | null; readonly limit: number }): Page<CollectionRecord>;
  aliases(): readonly AliasRecord[];
  /**
   * Makes the collection, or changes what can change on one that exists; the same settings again change nothing.
   * Rejects with `conflict`, naming the setting, where a change would need the collection to be built anew.
   */
  put(
    name: string,
    settings: CollectionSettings,
    signal: AbortSignal,
  ): Promise<{ readonly record: CollectionRecord; readonly outcome: "created" | "changed" | "unchanged" }>;
  /** Drops indexes, then the record. False: there was none. */
  delete(name: string, signal: AbortSignal): Promise<boolean>;
  putAlias(alias: AliasRecord, signal: AbortSignal): Promise<void>;
  deleteAlias(alias: string, signal: AbortSignal): Promise<boolean>;
  /** Reads one collection anew, after something else has changed it in the store. */
  refresh(name: string, signal: AbortSignal): Promise<CollectionRecord | null>;
  /** Ends removals that a crash or an outage has interrupted; returns how many. */
  finishDeletions(signal: AbortSignal): Promise<number>;
}

/** Loads the view in pages. */
export async function openCatalog(options: CatalogOptions, signal: AbortSignal): Promise<Catalog> {
  const view = new CatalogView(options);
  await view.load(signal);
  return view;
}

class CatalogView implements Catalog {
  readonly #options: CatalogOptions;
  readonly #collections = new Map<string, CollectionRecord>();
  readonly #aliases = new Map<string, AliasRecord>();
  /** Most collections have the same settings: one object for all that are equal. */
  readonly #shared = new Map<string, { value: object; uses: number }>();
  /** Names in order, made anew when they are listed after a change. */
  #names: readonly string[] | null = null;

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#collections.size;
  }

  async load(signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    let after: string | null = null;
    do {
      const page: Page<CollectionRecord> = await store.listCollections({ after, limit: LOAD_PAGE }, signal);
      for (const record of page.items) this.#set(record);
      after = page.next;
    } while (after !== null);
    for (const alias of await store.listAliases(signal)) this.#aliases.set(alias.alias, alias);
  }

  resolve(nameOrAlias: string): Resolved | null {
    const record = this.#collections.get(nameOrAlias);
    if (record !== undefined) return { record, version: record.version };
    const alias = this.#aliases.get(nameOrAlias);
    const target = alias === undefined ? undefined : this.#collections.get(alias.collection);
    return alias === undefined || target === undefined ? null : { record: target, version: alias.version ?? target.version };
  }

  require(nameOrAlias: string): Resolved {
    const resolved = this.resolve(nameOrAlias);
    if (resolved !== null) return resolved;
    throw kennelError("not_found", { message: `There is no collection or alias "${nameOrAlias.slice(0, 64)}"`, param: "collection" });
  }

  list(page: { readonly after: string | null; readonly limit: number }): Page<CollectionRecord> {
    this.#names ??= [...this.#collections.keys()].sort();
    const from = page.after === null ? 0 : firstAfter(this.#names, page.after);
    const names = this.#names.slice(from, from + page.limit);
    const items = names.map((name) => this.#collections.get(name)).filter((record) => record !== undefined);
    return { items, next: from + page.limit < this.#names.length ? (names.at(-1) ?? null) : null };
  }

  aliases(): readonly AliasRecord[] {
    return [...this.#aliases.values()].sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  async put(name: string, settings: CollectionSettings, signal: AbortSignal): ReturnType<Catalog["put"]> {
    checkName(name, "name");
    if (this.#aliases.has(name)) throw kennelError("conflict", { param: "name", message: `"${name}" is an alias` });
    const known = this.#collections.get(name);
    if (known === undefined) return { record: await this.#create(name, settings, signal), outcome: "created" };
    if (stableJson(known.settings) === stableJson(settings)) return { record: known, outcome: "unchanged" };
    refuseRebuild(known, settings);
    const record = await this.#options.store.updateCollection(name, settings, signal);
    return { record: this.#publish(record), outcome: "changed" };
  }

  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    const record = await this.#options.store.beginDeleteCollection(name, signal);
    if (record === null) return false;
    this.#forget(name);
    await this.#endDeletion(record, signal);
    return true;
  }

  async putAlias(alias: AliasRecord, signal: AbortSignal): Promise<void> {
    checkName(alias.alias, "alias");
    if (this.#collections.has(alias.alias)) throw kennelError("conflict", { param: "alias", message: `"${alias.alias}" is a collection` });
    const target = this.#collections.get(alias.collection);
    if (target === undefined) {
      throw kennelError("not_found", { param: "collection", message: `There is no collection "${alias.collection.slice(0, 64)}"` });
    }
    if (alias.version !== null && alias.version !== target.version) {
      throw kennelError("not_found", {
        param: "version",
        message: `Collection "${target.name}" has no version ${alias.version}; it has ${target.version}`,
      });
    }
    if (!this.#aliases.has(alias.alias) && this.#aliases.size >= this.#options.maxAliases) {
      throw kennelError("conflict", {
        param: "alias",
        message: `There are ${this.#options.maxAliases} aliases, which is as many as may be`,
      });
    }
    await this.#options.store.putAlias(alias, signal);
    this.#aliases.set(alias.alias, alias);
  }

  async deleteAlias(alias: string, signal: AbortSignal): Promise<boolean> {
    const existed = await this.#options.store.deleteAlias(alias, signal);
    this.#aliases.delete(alias);
    return existed;
  }

  async refresh(name: string, signal: AbortSignal): Promise<CollectionRecord | null> {
    const record = await this.#options.store.getCollection(name, signal);
    if (record !== null) return this.#publish(record);
    this.#forget(name);
    return null;
  }

  async finishDeletions(signal: AbortSignal): Promise<number> {
    const begun = await this.#options.store.deletingCollections(100, signal);
    for (const record of begun) await this.#endDeletion(record, signal);
    return begun.length;
  }

  async #create(name: string, settings: CollectionSettings, signal: AbortSignal): Promise<CollectionRecord> {
    if (this.#collections.size >= this.#options.maxCollections) {
      throw kennelError("conflict", { message: `There are ${this.#options.maxCollections} collections, which is as many as may be` });
    }
    const record = this.#publish(await this.#options.store.createCollection(name, settings, signal));
    await this.#options.indexes.create(record, signal);
    return record;
  }

  async #endDeletion(record: CollectionRecord, signal: AbortSignal): Promise<void> {
    await this.#options.indexes.drop(record, signal);
    await this.#options.store.deleteCollection(record.name, signal);
  }

  #publish(record: CollectionRecord): CollectionRecord {
    const shared = this.#set(record);
    this.#options.onChange(record.name, shared);
    return shared;
  }

  #set(record: CollectionRecord): CollectionRecord {
    const before = this.#collections.get(record.name);
    // Answers of the store may arrive in another order than they were given.
    if (before !== undefined && before.createdAtMs === record.createdAtMs && before.indexVersion > record.indexVersion) return before;
    const settings = this.#share(record.settings);
    const attributes = this.#share(record.attributes);
    if (before === undefined) this.#names = null;
    else this.#release(before);
    const shared: CollectionRecord = { ...record, settings, attributes };
    this.#collections.set(record.name, shared);
    return shared;
  }

  #forget(name: string): void {
    const record = this.#collections.get(name);
    if (record === undefined) return;
    this.#release(record);
    this.#collections.delete(name);
    this.#names = null;
    for (const alias of [...this.#aliases.values()]) if (alias.collection === name) this.#aliases.delete(alias.alias);
    this.#options.onChange(name, null);
  }

  #share<Value extends object>(value: Value): Value {
    const key = stableJson(value);
    const known = this.#shared.get(key);
    if (known !== undefined) {
      known.uses += 1;
      return known.value as Value;
    }
    this.#shared.set(key, { value, uses: 1 });
    return value;
  }

  #release(record: CollectionRecord): void {
    for (const value of [record.settings, record.attributes]) {
      const key = stableJson(value);
      const known = this.#shared.get(key);
      if (known !== undefined && --known.uses === 0) this.#shared.delete(key);
    }
  }
}

function checkName(name: string, param: string): void {
  if (NAME.test(name)) return;
  throw kennelError("invalid_request", { param, message: `${param} must be 1 to 64 letters, digits, _ or -` });
}

function refuseRebuild(known: CollectionRecord, settings: CollectionSettings): void {
  for (const field of BUILT_IN) {
    if (stableJson(known.settings[field]) === stableJson(settings[field])) continue;
    throw kennelError("conflict", {
      param: field,
      message: `Cannot change ${field} of collection "${known.name}": what it holds was indexed with another; make a new collection, or delete this one`,
    });
  }
}

/** Place of the first name after `after`, by halving. */
function firstAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** JSON with keys in order, so that equal values are equal texts. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
