import { createHash } from "node:crypto";
import type { Catalog } from "../../actors/document_store/catalog.ts";
import type { CollectionSettings } from "../../actors/document_store/collection_record.ts";
import {
  type DesiredCollection,
  encodeAlias,
  encodeCollection,
  isLevel,
  parseAlias,
  parseCollection,
} from "../../cluster/configuration/desired_state.ts";
import { namesOf } from "./catalog_sync.ts";

export const COLLECTION_KEY = /^collections\.([A-Za-z0-9_-]{1,64})$/;
export const ALIAS_KEY = /^aliases\.([A-Za-z0-9_-]{1,64})$/;

/** What is to stand in the bucket of this node's collections and aliases. The catalog is loaded. */
export class DesiredEntries {
  readonly #node: string;
  readonly #catalog: Pick<Catalog, "resolve" | "list" | "alias" | "aliases">;
  /** Most collections have the same settings, in one object. */
  readonly #digests = new WeakMap<CollectionSettings, string>();

  constructor(node: string, catalog: Pick<Catalog, "resolve" | "list" | "alias" | "aliases">) {
    this.#node = node;
    this.#catalog = catalog;
  }

  /** By the collection's own name, not by an alias of it. Null: there is none. */
  ofCollection(name: string): DesiredCollection | null {
    const record = this.#catalog.resolve(name)?.record;
    if (record?.name !== name) return null;
    const { createdAtMs, version, indexVersion, settings } = record;
    return {
      node: this.#node,
      createdAtMs,
      version,
      indexVersion,
      replicas: settings.replicas ?? 1,
      settingsDigest: this.#digestOf(settings),
    };
  }

  /** Null: nothing is to stand there. */
  textOf(key: string): string | null {
    const collection = COLLECTION_KEY.exec(key)?.[1];
    if (collection !== undefined) {
      const desired = this.ofCollection(collection);
      return desired === null ? null : encodeCollection(desired);
    }
    const alias = this.#catalog.alias(ALIAS_KEY.exec(key)?.[1] ?? "");
    return alias === null ? null : encodeAlias({ node: this.#node, collection: alias.collection, version: alias.version });
  }

  /** Keys whose entries differ from the catalog, are missing or are too many; `max` of them at most. */
  wrong(entries: ReadonlyMap<string, string>, max: number): readonly string[] {
    const wrong: string[] = [];
    const names = new Set<string>();
    for (const name of namesOf(this.#catalog)) {
      const key = `collections.${name}`;
      names.add(key);
      const desired = this.ofCollection(name);
      if (desired !== null && !isLevel(parseCollection(entries.get(key) ?? ""), desired)) wrong.push(key);
    }
    for (const { alias, collection, version } of this.#catalog.aliases()) {
      const key = `aliases.${alias}`;
      names.add(key);
      const there = parseAlias(entries.get(key) ?? "");
      if (there?.collection !== collection || there.version !== version) wrong.push(key);
    }
    for (const key of entries.keys()) if (!names.has(key)) wrong.push(key);
    return wrong.slice(0, max);
  }

  #digestOf(settings: CollectionSettings): string {
    const known = this.#digests.get(settings);
    if (known !== undefined) return known;
    const digest = createHash("sha256").update(stableText(settings)).digest("hex").slice(0, 16);
    this.#digests.set(settings, digest);
    return digest;
  }
}

/** JSON with keys in order: stores give them back in theirs. */
function stableText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
