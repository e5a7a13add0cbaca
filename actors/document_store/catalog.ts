import type { KennelError } from "../../runtime/errors.ts";
import type { AliasRecord, CollectionRecord, CollectionSettings } from "./collection_record.ts";
import type { DocumentStore, Page } from "./document_store.ts";

/** What a collection has in the stores of vectors and words: ingest makes it for the first document, so that a collection may be made while they are away. */
export interface CollectionIndexes {
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
  /** Told after this node has moved an alias or deleted it. @default nobody is told */
  readonly onAliasChange?: (alias: string) => void;
  /** What callers are told before the view is loaded (C4). @default that it is being read */
  readonly notLoaded?: () => KennelError;
}

export interface Resolved {
  /** With the settings that `version` was built with. */
  readonly record: CollectionRecord;
  /** The build to search: the alias's, or else the collection's active one. */
  readonly version: number;
}

/** This node's view of collections and aliases, in memory. */
export interface Catalog {
  readonly isLoaded: boolean;
  /** 0 before it is loaded. */
  readonly size: number;
  /** By a collection's or an alias's name. */
  resolve(nameOrAlias: string): Resolved | null;
  /** As `resolve`, but throws `not_found`. */
  require(nameOrAlias: string): Resolved;
  /** Ordered by name. */
  list(page: { readonly after: string | null; readonly limit: number }): Page<CollectionRecord>;
  aliases(): readonly AliasRecord[];
  /** Null: there is no such alias. */
  alias(name: string): AliasRecord | null;
  /** Collections whose next build is being made, ordered by name; none before it is loaded. */
  building(): readonly CollectionRecord[];
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
  /** Reads all aliases anew. */
  refreshAliases(signal: AbortSignal): Promise<void>;
  /** Ends removals that a crash or an outage has interrupted; returns how many. */
  finishDeletions(signal: AbortSignal): Promise<number>;
}

/** A catalog that has yet to be read from its store. */
export interface LoadableCatalog extends Catalog {
  /**
   * Reads the view in pages; one that fails is begun anew by the next call. Nobody else sees it before `prepare` is done.
   * @param prepare is given what `resolve` will find
   */
  load(signal: AbortSignal, prepare?: (resolve: Catalog["resolve"]) => Promise<void>): Promise<void>;
}

/** The collection as it is when this build of it is searched; null: the active one. */
export function pinned(record: CollectionRecord, version: number | null): Resolved {
  if (version === null || version === record.version) return { record, version: record.version };
  const build = record.versions.find((other) => other.version === version)?.build;
  return { record: build === undefined ? record : { ...record, settings: { ...record.settings, ...build } }, version };
}
