import { LRUCache } from "lru-cache";
import type { Clock } from "../../../runtime/clock.ts";
import type { EncodedAnswer } from "../search.ts";

// Invariants:
//   A1. An answer is given only to a key that is equal in every part, so it never crosses scopes, filters or modes.
//   A2. `find` gives an answer only for the index version that the caller knows to be the newest. The caller learns of a
//       new version before the job that made it is reported as done, so nothing has to be removed in time.
//   A3. `findStale` alone may pass over A2, and who calls it says in the answer how old it is.

export interface AnswerCacheOptions {
  /** Memory for answers and keys; 0: nothing is kept. */
  readonly maxBytes: number;
  /** Longest life of an answer. */
  readonly ttlMs: number;
}

export interface AnswerCacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
}

interface Entry {
  readonly collection: string;
  readonly answer: EncodedAnswer;
  readonly storedAtMs: number;
}

/** What an entry costs beside its key, its hits and the text that a bridge makes of them: objects, timings, slots of the maps. */
const ENTRY_OVERHEAD_BYTES = 800;

/** Finished answers of one node, least recently used out first. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #entries: LRUCache<string, Entry> | null;
  readonly #keysOf = new Map<string, Set<string>>();
  #hits = 0;
  #misses = 0;

  constructor(clock: Clock, options: AnswerCacheOptions) {
    this.#clock = clock;
    this.#ttlMs = options.ttlMs;
    this.#entries =
      options.maxBytes <= 0
        ? null
        : new LRUCache({
            maxSize: options.maxBytes,
            sizeCalculation: ({ answer }, key) => answer.hits.length * 2 + key.length * 2 + ENTRY_OVERHEAD_BYTES,
            dispose: ({ collection }, key) => this.#unlist(collection, key),
            noDisposeOnSet: true,
          });
  }

  get isOn(): boolean {
    return this.#entries !== null;
  }

  get stats(): AnswerCacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      entries: this.#entries?.size ?? 0,
      bytes: this.#entries?.calculatedSize ?? 0,
    };
  }

  /** The answer of exactly this index version (A2). */
  find(key: string, indexVersion: number): EncodedAnswer | null {
    const answer = this.findReady(key, indexVersion);
    if (answer === null) this.#misses++;
    return answer;
  }

  /** The same for who goes on to `find` without it: a miss is not counted here. */
  findReady(key: string, indexVersion: number): EncodedAnswer | null {
    const entry = this.#living(key);
    if (entry === null || entry.answer.rest.index_version !== indexVersion) return null;
    this.#hits++;
    return entry.answer;
  }

  /** Whether `find` would find it; counts nothing. */
  holds(key: string, indexVersion: number): boolean {
    return this.#living(key)?.answer.rest.index_version === indexVersion;
  }

  /** The last answer of whatever index version, and its age in milliseconds (A3). */
  findStale(key: string): { readonly answer: EncodedAnswer; readonly ageMs: number } | null {
    const entry = this.#living(key);
    return entry === null ? null : { answer: entry.answer, ageMs: Math.round(this.#clock.monotonicMs() - entry.storedAtMs) };
  }

  /** An answer of an older index version never takes the place of a newer one. */
  keep(key: string, collection: string, answer: EncodedAnswer): void {
    if (this.#entries === null) return;
    const known = this.#entries.peek(key);
    if (known !== undefined && known.answer.rest.index_version > answer.rest.index_version) return;
    this.#entries.set(key, { collection, answer, storedAtMs: this.#clock.monotonicMs() });
    if (!this.#entries.has(key)) return; // larger than the whole cache
    const keys = this.#keysOf.get(collection);
    if (keys === undefined) this.#keysOf.set(collection, new Set([key]));
    else keys.add(key);
  }

  dropCollection(collection: string): void {
    for (const key of [...(this.#keysOf.get(collection) ?? [])]) this.#entries?.delete(key);
  }

  clear(): void {
    this.#entries?.clear();
  }

  #living(key: string): Entry | null {
    const entry = this.#entries?.get(key);
    if (entry === undefined) return null;
    if (this.#clock.monotonicMs() - entry.storedAtMs < this.#ttlMs) return entry;
    this.#entries?.delete(key);
    return null;
  }

  #unlist(collection: string, key: string): void {
    const keys = this.#keysOf.get(collection);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysOf.delete(collection);
  }
}
