import type { Catalog } from "../../actors/document_store/catalog.ts";
import type { CollectionRecord } from "../../actors/document_store/collection_record.ts";
import type { DocumentStore, Page } from "../../actors/document_store/document_store.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { toKennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";

// Invariants:
//   K1. What another node has changed is read from the document store, which is the truth; a message only says when to look.
//   K2. A message that was missed is made up for by the next rescan, or by a reconnection.
//   K3. One look at a collection at a time; what is told of meanwhile is looked at once more.
//   K4. Before this node has read its collections nothing is kept level: the reading finds what has changed until then, and
//       other nodes may know a name all the same.

export interface CatalogSyncParts {
  readonly documents: Pick<DocumentStore, "listCollections">;
  readonly catalog: Catalog;
  /** Takes over what the store has of a collection, and lets go of what was in memory of it. */
  readonly changedElsewhere: (collection: string, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RESCAN_MS = 30_000;
const PAGE = 1_000;
const LOOK_LIMIT_MS = 10_000;
/** Changed collections that are read at once: after a time without word there may be thousands. */
const MAX_AT_ONCE = 16;
/** Changes that wait to be looked at; beyond it the next rescan finds them. */
const MAX_WAITING = 10_000;
/** Looks for names that nobody knows, in a second: strangers must not make the store work. */
const MAX_LOOKUPS_PER_SECOND = 20;

const ALWAYS = () => true;

/** Keeps this node's view of collections level with what other nodes do to them. */
export class CatalogSync {
  readonly #parts: CatalogSyncParts;
  readonly #stop = new AbortController();
  /** To be looked at once more, and whether that is still wanted then. */
  readonly #waiting = new Map<string, () => boolean>();
  readonly #looking = new Map<string, Promise<void>>();
  /** To be looked at when others have been, and whether that is still wanted then. */
  readonly #queued = new Map<string, () => boolean>();
  #timer: Timer | null = null;
  #aliases: Promise<void> = Promise.resolve();
  #nextAliases: Promise<void> | null = null;
  #rescanning: Promise<void> | null = null;
  #lookups = { secondMs: 0, count: 0 };

  constructor(parts: CatalogSyncParts) {
    this.#parts = parts;
    this.#schedule();
  }

  /**
   * Another node says that it has changed the collection.
   * @param isWanted asked when a look that is under way has ended: whether it has not found already what was told of.
   *   @default it may have been too early
   */
  changed(collection: string, isWanted: () => boolean = ALWAYS): void {
    if (!this.#parts.catalog.isLoaded) return; // K4
    const isUnderWay = this.#looking.has(collection);
    if (!isUnderWay && this.#looking.size < MAX_AT_ONCE) return void this.#look(collection);
    const later = isUnderWay ? this.#waiting : this.#queued; // K3
    if (later.size < MAX_WAITING && later.get(collection) !== ALWAYS) later.set(collection, isWanted);
  }

  /** Another node says that it has moved an alias: all are read, once more where that is under way (K3). */
  aliasesChanged(): void {
    if (this.#parts.catalog.isLoaded) void this.#readAliases(); // K4
  }

  /** The collection that a name stands for. One that is not known here is looked for in the store, a few in a second. */
  nameOf(name: string): string | Promise<string> {
    if (!this.#parts.catalog.isLoaded) return name; // K4
    const known = this.#parts.catalog.resolve(name);
    if (known !== null) return known.record.name;
    return this.#mayLookUp() ? this.#find(name) : name;
  }

  async #find(name: string): Promise<string> {
    const { catalog } = this.#parts;
    await this.#look(name);
    const found = catalog.resolve(name);
    if (found !== null) return found.record.name;
    await this.#readAliases();
    return catalog.resolve(name)?.record.name ?? name;
  }

  /** Never rejects. One reading at a time: who asks during one waits for the next. */
  #readAliases(): Promise<void> {
    const { catalog, logger } = this.#parts;
    const read = () => {
      this.#nextAliases = null;
      const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LOOK_LIMIT_MS)]);
      return catalog
        .refreshAliases(signal)
        .catch((thrown: unknown) => logger.warn({ code: toKennelError(thrown).code }, "aliases of other nodes were not taken over yet"));
    };
    this.#nextAliases ??= this.#aliases.then(read);
    this.#aliases = this.#nextAliases;
    return this.#nextAliases;
  }

  /** Compares everything (K2). Never rejects. */
  rescan(): Promise<void> {
    this.#rescanning ??= this.#compare()
      .catch((thrown: unknown) =>
        this.#parts.logger.warn({ code: toKennelError(thrown).code }, "collections were not compared with the store"),
      )
      .finally(() => {
        this.#rescanning = null;
      });
    return this.#rescanning;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stop.abort(new Error("The node stops"));
  }

  #mayLookUp(): boolean {
    const secondMs = Math.floor(this.#parts.clock.monotonicMs() / 1_000);
    if (secondMs !== this.#lookups.secondMs) this.#lookups = { secondMs, count: 0 };
    this.#lookups.count += 1;
    return this.#lookups.count <= MAX_LOOKUPS_PER_SECOND;
  }

  #look(collection: string): Promise<void> {
    const known = this.#looking.get(collection);
    if (known !== undefined) return known;
    const { changedElsewhere, logger } = this.#parts;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LOOK_LIMIT_MS)]);
    const look = changedElsewhere(collection, signal)
      .catch((thrown: unknown) =>
        logger.warn({ collection, code: toKennelError(thrown).code }, "a change by another node was not taken over yet"),
      )
      .finally(() => {
        this.#looking.delete(collection);
        const isWanted = this.#waiting.get(collection);
        this.#waiting.delete(collection);
        if (this.#stop.signal.aborted) return;
        if (isWanted?.() === true) void this.#look(collection);
        this.#lookOn();
      });
    this.#looking.set(collection, look);
    return look;
  }

  #lookOn(): void {
    for (const [collection, isWanted] of this.#queued) {
      if (this.#looking.size >= MAX_AT_ONCE) return;
      this.#queued.delete(collection);
      if (isWanted()) this.changed(collection, isWanted);
    }
  }

  async #compare(): Promise<void> {
    const { documents, catalog } = this.#parts;
    if (!catalog.isLoaded) return; // K4
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LOOK_LIMIT_MS)]);
    const found = new Set<string>();
    let after: string | null = null;
    do {
      const page: Page<CollectionRecord> = await documents.listCollections({ after, limit: PAGE }, signal);
      for (const record of page.items) {
        found.add(record.name);
        const known = catalog.resolve(record.name);
        if (known === null || !isSame(known.record, record)) this.changed(record.name);
      }
      after = page.next;
    } while (after !== null);
    for (const name of namesOf(catalog)) if (!found.has(name)) this.changed(name);
    await catalog.refreshAliases(signal);
  }

  #schedule(): void {
    this.#timer = this.#parts.clock.setTimer(RESCAN_MS, () => {
      void this.rescan().finally(() => {
        if (!this.#stop.signal.aborted) this.#schedule();
      });
    });
  }
}

/** An index version that is older than the known one is an answer that was overtaken. */
function isSame(known: CollectionRecord, found: CollectionRecord): boolean {
  return (
    known.createdAtMs === found.createdAtMs &&
    known.version === found.version &&
    known.indexVersion >= found.indexVersion &&
    known.versions.length === found.versions.length &&
    JSON.stringify(known.settings) === JSON.stringify(found.settings)
  );
}

/** Every collection that the node knows. */
export function* namesOf(catalog: Pick<Catalog, "list">): Generator<string> {
  let after: string | null = null;
  do {
    const page: Page<CollectionRecord> = catalog.list({ after, limit: PAGE });
    for (const { name } of page.items) yield name;
    after = page.next;
  } while (after !== null);
}
