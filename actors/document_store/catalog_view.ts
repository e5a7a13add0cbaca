import { kennelError } from "../../runtime/errors.ts";
import { type Catalog, type CatalogOptions, type LoadableCatalog, pinned, type Resolved } from "./catalog.ts";
import { checkName, knownVersions, refuseOtherAdoption, refuseRebuild } from "./catalog_rules.ts";
import type { AliasRecord, CollectionRecord, CollectionSettings } from "./collection_record.ts";
import type { Page } from "./document_store.ts";
import type { IndexVersion } from "./index_version.ts";
import { stableJson } from "./stable_json.ts";

// Invariants:
//   C1. The document store is written first; the view follows what it acknowledged.
//   C2. A name is a collection or an alias, never both.
//   C3. Reading the view never waits and never touches the store.
//   C4. Before the view is loaded nothing is known of any name: whoever reads or changes it is told `unavailable`, never
//       `not_found`.

const LOAD_PAGE = 1000;

/** Most collections have one build. */
const NO_VERSIONS: readonly IndexVersion[] = [];

export function createCatalog(options: CatalogOptions): LoadableCatalog {
  return new CatalogView(options);
}

/** A catalog that is loaded. */
export async function openCatalog(options: CatalogOptions, signal: AbortSignal): Promise<Catalog> {
  const view = createCatalog(options);
  await view.load(signal);
  return view;
}

class CatalogView implements LoadableCatalog {
  readonly #options: CatalogOptions;
  #isLoaded = false;
  readonly #collections = new Map<string, CollectionRecord>();
  readonly #aliases = new Map<string, AliasRecord>();
  /** Most collections have the same settings: one object for all that are equal. */
  readonly #shared = new Map<string, { value: object; uses: number }>();
  readonly #building = new Set<string>();
  /** Names in order; null: not listed yet. Kept up from then on, so that no listing sorts what another has sorted. */
  #names: string[] | null = null;

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  get size(): number {
    return this.#isLoaded ? this.#collections.size : 0;
  }

  async load(signal: AbortSignal, prepare?: (resolve: Catalog["resolve"]) => Promise<void>): Promise<void> {
    if (this.#isLoaded) return;
    const { store } = this.#options;
    for (const held of [this.#collections, this.#aliases, this.#shared, this.#building]) held.clear();
    let after: string | null = null;
    do {
      const page: Page<CollectionRecord> = await store.listCollections({ after, limit: LOAD_PAGE }, signal);
      for (const record of page.items) this.#set(record);
      after = page.next;
    } while (after !== null);
    for (const alias of await store.listAliases(signal)) this.#aliases.set(alias.alias, alias);
    await prepare?.((name) => this.#find(name));
    this.#isLoaded = true;
  }

  resolve(nameOrAlias: string): Resolved | null {
    this.#assertLoaded();
    return this.#find(nameOrAlias);
  }

  #find(nameOrAlias: string): Resolved | null {
    const record = this.#collections.get(nameOrAlias);
    if (record !== undefined) return { record, version: record.version };
    const alias = this.#aliases.get(nameOrAlias);
    const target = alias === undefined ? undefined : this.#collections.get(alias.collection);
    return alias === undefined || target === undefined ? null : pinned(target, alias.version);
  }

  require(nameOrAlias: string): Resolved {
    const resolved = this.resolve(nameOrAlias);
    if (resolved !== null) return resolved;
    throw kennelError("not_found", { message: `There is no collection or alias "${nameOrAlias.slice(0, 64)}"`, param: "collection" });
  }

  list(page: { readonly after: string | null; readonly limit: number }): Page<CollectionRecord> {
    this.#assertLoaded();
    this.#names ??= [...this.#collections.keys()].sort();
    const from = page.after === null ? 0 : firstAfter(this.#names, page.after);
    const names = this.#names.slice(from, from + page.limit);
    const items = names.map((name) => this.#collections.get(name)).filter((record) => record !== undefined);
    return { items, next: from + page.limit < this.#names.length ? (names.at(-1) ?? null) : null };
  }

  aliases(): readonly AliasRecord[] {
    this.#assertLoaded();
    return [...this.#aliases.values()].sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  alias(name: string): AliasRecord | null {
    this.#assertLoaded();
    return this.#aliases.get(name) ?? null;
  }

  building(): readonly CollectionRecord[] {
    if (!this.#isLoaded) return [];
    return [...this.#building].sort().flatMap((name) => this.#collections.get(name) ?? []);
  }

  async put(name: string, settings: CollectionSettings, signal: AbortSignal): ReturnType<Catalog["put"]> {
    checkName(name, "name");
    this.#assertLoaded();
    if (this.#aliases.has(name)) throw kennelError("conflict", { param: "name", message: `"${name}" is an alias` });
    const known = this.#collections.get(name);
    if (known === undefined) return { record: await this.#create(name, settings, signal), outcome: "created" };
    if (stableJson(known.settings) === stableJson(settings)) return { record: known, outcome: "unchanged" };
    if (!refuseOtherAdoption(known, settings)) refuseRebuild(known, settings);
    const record = await this.#options.store.updateCollection(name, settings, signal);
    return { record: this.#publish(record), outcome: "changed" };
  }

  async delete(name: string, signal: AbortSignal): Promise<boolean> {
    this.#assertLoaded();
    const record = await this.#options.store.beginDeleteCollection(name, signal);
    if (record === null) return false;
    this.#forget(name);
    await this.#endDeletion(record, signal);
    return true;
  }

  async putAlias(alias: AliasRecord, signal: AbortSignal): Promise<void> {
    checkName(alias.alias, "alias");
    this.#assertLoaded();
    if (this.#collections.has(alias.alias)) throw kennelError("conflict", { param: "alias", message: `"${alias.alias}" is a collection` });
    const target = this.#collections.get(alias.collection);
    if (target === undefined) {
      throw kennelError("not_found", { param: "collection", message: `There is no collection "${alias.collection.slice(0, 64)}"` });
    }
    const known = knownVersions(target);
    if (alias.version !== null && !known.includes(alias.version)) {
      throw kennelError("not_found", {
        param: "version",
        message: `Collection "${target.name}" has no version ${alias.version}; it has ${known.join(", ")}`,
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
    this.#options.onAliasChange?.(alias.alias);
  }

  async deleteAlias(alias: string, signal: AbortSignal): Promise<boolean> {
    this.#assertLoaded();
    const existed = await this.#options.store.deleteAlias(alias, signal);
    this.#aliases.delete(alias);
    if (existed) this.#options.onAliasChange?.(alias);
    return existed;
  }

  async refresh(name: string, signal: AbortSignal): Promise<CollectionRecord | null> {
    this.#assertLoaded();
    const record = await this.#options.store.getCollection(name, signal);
    if (record !== null) return this.#publish(record);
    this.#forget(name);
    return null;
  }

  async refreshAliases(signal: AbortSignal): Promise<void> {
    const found = await this.#options.store.listAliases(signal);
    this.#aliases.clear();
    for (const alias of found) this.#aliases.set(alias.alias, alias);
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
    return this.#publish(await this.#options.store.createCollection(name, settings, signal));
  }

  async #endDeletion(record: CollectionRecord, signal: AbortSignal): Promise<void> {
    await this.#options.indexes.drop(record, signal);
    await this.#options.store.deleteCollection(record.name, signal);
  }

  /** C4 */
  #assertLoaded(): void {
    if (!this.#isLoaded) throw this.#options.notLoaded?.() ?? kennelError("unavailable", { message: "The collections are being read" });
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
    if (before === undefined) this.#names?.splice(firstAfter(this.#names, record.name), 0, record.name);
    else this.#release(before);
    const versions = record.versions.length === 0 ? NO_VERSIONS : record.versions;
    const shared: CollectionRecord = { ...record, settings, attributes, versions };
    this.#collections.set(record.name, shared);
    if (versions.some(({ kind }) => kind === "building")) this.#building.add(record.name);
    else this.#building.delete(record.name);
    return shared;
  }

  #forget(name: string): void {
    const record = this.#collections.get(name);
    if (record === undefined) return;
    this.#release(record);
    this.#collections.delete(name);
    this.#building.delete(name);
    this.#names?.splice(firstAfter(this.#names, name) - 1, 1);
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
