import { LRUCache } from "lru-cache";
import { unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import { KennelError, kennelError } from "../../runtime/errors.ts";
import type { Adoption, Adoptions } from "./adoption.ts";
import type { Candidate, ChunkRow, IndexName, LexicalIndex, SearchOptions, StoredChunk, VectorStore } from "./vector_store.ts";

type Store = VectorStore & LexicalIndex;

export interface AdoptedWordsOptions {
  readonly store: Store;
  readonly adoptions: Pick<Adoptions, "of">;
  /** Keeps texts without vectors; this process alone writes to it. */
  readonly replica: Store;
  /** A collection that has grown beyond twice this is not copied any more. */
  readonly maxCopiedRows: number;
  readonly clock: Clock;
}

const SCAN_PAGE_ROWS = 500;
const MAX_REMEMBERED = 10_000;
/** A first search waits so long for a replica that is being filled; small ones are within it. */
const PATIENCE_MS = 1_000;
const RETRY_AFTER_MS = 1_000;
/** Replicas that are filled at once. */
const MAX_FILLING = 2;
/** How often the number of rows is compared, at most, and how old a replica gets whatever that says. */
const COMPARE_INTERVAL_MS = 30_000;
const MAX_AGE_MS = 3_600_000;
/** Of the time, at most so much goes into filling one replica again and again. */
const MAX_FILL_SHARE = 0.1;

/** One copy of the texts, as of the time when it was filled. */
interface Generation {
  readonly index: IndexName;
  readonly adoption: Adoption;
  readonly rows: number;
  readonly filledMs: number;
}

interface Words {
  current: Generation | null;
  /** The one before, until the next comparison: searches that began on it have ended by then. */
  previous: IndexName | null;
  /** Under way; never rejects. */
  filling: Promise<void> | null;
  /** Before it nothing is compared, or after a failure tried again. */
  nextMs: number;
  /** What was to be copied last: another is begun at once, and the same not before its time. */
  attempted: Adoption | null;
  /** Something was written while it was filled, which the filling may have missed. */
  isBehind: boolean;
  failure: KennelError | null;
}

/**
 * The lexical side of adopted collections whose server does not rank their texts: a copy of the texts beside it. Invariants:
 *   W1. A copy is searched when it is whole. It is filled anew beside the one that is searched, then takes its place.
 *   W2. What it finds is shown as the store has it now: what has gone since is left out. What has come since is found by
 *       its words at the next filling, which a different number of rows, or an hour, brings about.
 *   W3. While the store is gone, what the copy finds is shown as the copy has it.
 */
export class AdoptedWords implements VectorStore, LexicalIndex {
  readonly #options: AdoptedWordsOptions;
  readonly #words = new LRUCache<string, Words>({ max: MAX_REMEMBERED });
  /** Of collections that are gone; a new one of the name waits for it. */
  readonly #forgetting = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #filling = 0;

  constructor(options: AdoptedWordsOptions) {
    this.#options = options;
  }

  async searchText(index: IndexName, query: string, options: SearchOptions, signal: AbortSignal): Promise<readonly Candidate[]> {
    const { store, replica } = this.#options;
    const adoption = this.#replicated(index);
    if (adoption === null) return store.searchText(index, query, options, signal);
    const words = this.#looked(index, adoption);
    if (words.current === null && words.filling !== null) await this.#patiently(words.filling, signal);
    const { current } = words;
    if (current === null) {
      const message = "The words of this adopted collection are being read from the vector store";
      throw kennelError("unavailable", { message, retryAfterMs: RETRY_AFTER_MS, cause: words.failure });
    }
    const found = await replica.searchText(current.index, query, options, signal);
    return found.map(({ id, parentId, score }) => ({ id, documentId: parentId ?? id, parentId: null, score }));
  }

  /** Begins to fill what a search will want. */
  searchVector(...call: Parameters<VectorStore["searchVector"]>): ReturnType<VectorStore["searchVector"]> {
    const [index] = call;
    const adoption = this.#replicated(index);
    if (adoption !== null) this.#looked(index, adoption);
    return this.#options.store.searchVector(...call);
  }

  /** W3 */
  fetchChunks(index: IndexName, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredChunk[]> {
    const current = this.#replicated(index) === null ? null : (this.#words.get(index.collection)?.current ?? null);
    return current === null ? this.#options.store.fetchChunks(index, ids, signal) : this.#fetchOrCopied(index, current, ids, signal);
  }

  async #fetchOrCopied(
    index: IndexName,
    current: Generation,
    ids: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly StoredChunk[]> {
    const { store, replica } = this.#options;
    try {
      return await store.fetchChunks(index, ids, signal);
    } catch (thrown) {
      const isGone = thrown instanceof KennelError && ["unavailable", "deadline_exceeded", "overloaded"].includes(thrown.code);
      if (!isGone || signal.aborted) throw thrown;
      const chunks = await replica.fetchChunks(current.index, ids, signal);
      return chunks.map((chunk) => ({ ...chunk, documentId: chunk.parentId ?? chunk.id, parentId: null }));
    }
  }

  /** What Kennel itself writes is found by its words at once. */
  async replaceDocuments(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    const { store, replica } = this.#options;
    await store.replaceDocuments(index, documentIds, rows, signal);
    const words = this.#replicated(index) === null ? undefined : this.#words.get(index.collection);
    if (words === undefined) return;
    if (words.filling !== null) words.isBehind = true;
    if (words.current === null || rows.length === 0) return;
    const copies = rows.map(copyOf);
    for (let from = 0; from < copies.length; from += SCAN_PAGE_ROWS) {
      const page = copies.slice(from, from + SCAN_PAGE_ROWS);
      await replica.replaceDocuments(words.current.index, page.map(({ id }) => id), page, signal); // biome-ignore format: one call
    }
  }

  /**
   * A collection of this name is gone, and with it its copy, also one that an earlier process has made. Never rejects: what
   * stays is dropped by the next of this name.
   */
  async forget(collection: string): Promise<void> {
    const filling = this.#words.get(collection)?.filling ?? Promise.resolve();
    this.#words.delete(collection);
    const forgetting = filling.then(() => this.#dropCopies(collection)).catch(ignore);
    this.#forgetting.set(collection, forgetting);
    await forgetting;
    if (this.#forgetting.get(collection) === forgetting) this.#forgetting.delete(collection);
  }

  async #dropCopies(collection: string): Promise<void> {
    for (const version of GENERATIONS) await this.#options.replica.dropIndex({ collection, version }, this.#closing.signal);
  }

  createIndex: VectorStore["createIndex"] = (...call) => this.#options.store.createIndex(...call);
  dropIndex: VectorStore["dropIndex"] = (...call) => this.#options.store.dropIndex(...call);
  extendSchema: VectorStore["extendSchema"] = (...call) => this.#options.store.extendSchema(...call);
  optimize: VectorStore["optimize"] = (...call) => this.#options.store.optimize(...call);
  scan: VectorStore["scan"] = (...call) => this.#options.store.scan(...call);
  countRows: VectorStore["countRows"] = (...call) => this.#options.store.countRows(...call);
  ownIndexes: VectorStore["ownIndexes"] = (...call) => this.#options.store.ownIndexes(...call);
  probe: VectorStore["probe"] = (...call) => this.#options.store.probe(...call);

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#options.store.close();
  }

  #replicated({ collection }: IndexName): Adoption | null {
    const adoption = this.#options.adoptions.of(collection);
    return adoption?.lexical === "replica" ? adoption : null;
  }

  /** Looks whether the copy is to be filled, or compared, and begins that; nobody waits for it here. */
  #looked(index: IndexName, adoption: Adoption): Words {
    const key = index.collection;
    const words = this.#words.get(key) ?? {
      current: null,
      previous: null,
      filling: null,
      nextMs: 0,
      attempted: null,
      isBehind: false,
      failure: null,
    };
    this.#words.set(key, words);
    const { current } = words;
    if (current !== null && current.adoption !== adoption && isOfTheSameTexts(current.adoption, adoption))
      words.current = { ...current, adoption };
    const isOther = words.current !== null && words.current.adoption !== adoption;
    const isNew = isOther && words.attempted !== adoption;
    const isDue = isNew || this.#options.clock.monotonicMs() >= words.nextMs;
    const isBusy = words.filling !== null || this.#filling >= MAX_FILLING || this.#closing.signal.aborted; // then a later search begins it
    if (isDue && !isBusy) words.filling = this.#bringUpToDate(index, adoption, words, isOther);
    return words;
  }

  /** Never rejects: the copy that there is goes on. */
  async #bringUpToDate(index: IndexName, adoption: Adoption, words: Words, isOther: boolean): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    words.attempted = adoption;
    this.#filling += 1;
    try {
      await this.#forgetting.get(index.collection);
      await this.#dropPrevious(words);
      if (isOther || (await this.#isOutdated(index, words))) await this.#fill(index, adoption, words);
      words.failure = null;
    } catch (thrown) {
      words.failure = thrown instanceof KennelError ? thrown : kennelError("internal", { cause: thrown });
    } finally {
      this.#filling -= 1;
      words.filling = null;
      const nowMs = clock.monotonicMs();
      words.nextMs = nowMs + Math.max(words.failure === null ? COMPARE_INTERVAL_MS : RETRY_AFTER_MS, (nowMs - startedMs) / MAX_FILL_SHARE);
    }
  }

  async #isOutdated(index: IndexName, { current, isBehind }: Words): Promise<boolean> {
    const { store, clock } = this.#options;
    if (current === null || isBehind || clock.monotonicMs() - current.filledMs >= MAX_AGE_MS) return true;
    return (await store.countRows(index, this.#closing.signal)) !== current.rows;
  }

  /** W1 */
  async #fill(index: IndexName, adoption: Adoption, words: Words): Promise<void> {
    const { store, replica, maxCopiedRows, clock } = this.#options;
    const signal = this.#closing.signal;
    const before = words.current;
    const [first, second] = GENERATIONS;
    const copy = { collection: index.collection, version: before?.index.version === first ? second : first };
    words.isBehind = false;
    if (before === null)
      await this.#dropCopies(index.collection); // what an earlier process has left
    else await replica.dropIndex(copy, signal); // what a filling that failed has left
    const { dimensions, attributes, language } = adoption;
    await replica.createIndex(copy, { dimensions, attributes, language }, signal);
    let rows = 0;
    for await (const page of store.scan(index, SCAN_PAGE_ROWS, signal)) {
      await replica.replaceDocuments(copy, page.map(({ id }) => id), page.map(copyOf), signal); // biome-ignore format: one call
      rows += page.length;
      if (rows > 2 * maxCopiedRows)
        throw kennelError("conflict", { message: "The adopted collection has too many rows for a copy of its texts" });
    }
    await replica.optimize(copy, signal);
    words.current = { index: copy, adoption, rows, filledMs: clock.monotonicMs() };
    words.previous = before?.index ?? null;
  }

  async #dropPrevious(words: Words): Promise<void> {
    if (words.previous !== null) await this.#options.replica.dropIndex(words.previous, this.#closing.signal);
    words.previous = null;
  }

  async #patiently(filling: Promise<void>, signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = this.#options.clock.setTimer(PATIENCE_MS, () => late.abort());
    try {
      await unlessAborted(filling, AbortSignal.any([signal, late.signal])).catch((thrown) => {
        if (signal.aborted) throw thrown;
      });
    } finally {
      timer.cancel();
    }
  }
}

/**
 * Versions of the copies, two in turns: numbers that no build of a collection reaches, whose texts may lie beside them under
 * the same name, once that is another collection's.
 */
export const GENERATIONS = [2_000_000_001, 2_000_000_002] as const;

/** A row is a document of its own to the copy, so that one is replaced without the others; whose it is stands where no parent does. */
function copyOf(row: ChunkRow): ChunkRow {
  return { ...row, documentId: row.id, parentId: row.documentId, vector: null };
}

/** The catalog may have the same anew, for another setting's sake. */
function isOfTheSameTexts(left: Adoption, right: Adoption): boolean {
  const of = ({ collection, fields, attributes, language }: Adoption) => JSON.stringify([collection, fields, attributes, language]);
  return of(left) === of(right);
}

function ignore(): void {}
