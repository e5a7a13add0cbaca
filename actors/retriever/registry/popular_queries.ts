import type { Clock, Timer } from "../../../runtime/clock.ts";
import { type KennelError, toKennelError } from "../../../runtime/errors.ts";
import { type Scope, scopeKey } from "../../../transport/transport.ts";
import { DEFAULT_OPTIONS, PLAIN_STRATEGIES, type SearchRequest } from "../search.ts";

/** A question as it can be asked again by itself, for those who asked it. */
export interface PopularQuery {
  readonly scope: Scope;
  readonly request: SearchRequest;
  /** How often it was asked; see `PopularQueries` for how far off it may be. */
  readonly count: number;
}

/** By collection; each list as it is kept, in no order. */
export type PopularByCollection = ReadonlyMap<string, readonly PopularQuery[]>;

/** Where they outlive the process. A place that holds nothing, or nothing that can be read, gives an empty map. */
export interface PopularQueryStore {
  read(): Promise<PopularByCollection>;
  write(queries: PopularByCollection): Promise<void>;
  clear(): Promise<void>;
}

export interface PopularQueryOptions {
  /** Of each collection, to be asked again after a start; 0: nothing is counted and nothing kept. */
  readonly maxQueries: number;
  /** Beyond it the collection that came first is forgotten. */
  readonly maxCollections: number;
  readonly saveIntervalMs: number;
}

interface Counter {
  readonly collection: string;
  readonly scope: Scope;
  readonly request: SearchRequest;
  count: number;
  /** Whether it still has its place. */
  isKept: boolean;
}

/** Counted for each one that is to be known: the rarest of them are the least certain. */
const COUNTERS_PER_QUERY = 4;
/** UTF-16 units of a question with all that belongs to it; longer ones are rarely asked twice. */
const MAX_QUESTION_LENGTH = 2_000;

/**
 * The questions that are asked most, by collection and scope. A fixed number of counters a collection finds them in a
 * stream of any length: a question without a counter takes that of the rarest one and goes on from its count, so that a
 * count is too high by at most that, and what is frequent is never missed ("Space-Saving": Metwally, Agrawal and El
 * Abbadi, Efficient Computation of Frequent and Top-k Elements in Data Streams, ICDT 2005).
 *
 * What an earlier process counted is worth half, so that habits can change. Losing notes costs a cold cache, no more.
 */
export class PopularQueries {
  readonly #clock: Clock;
  readonly #store: PopularQueryStore;
  readonly #options: PopularQueryOptions;
  readonly #onFailed: (error: KennelError) => void;
  readonly #collections = new Map<string, Map<string, Counter>>();
  /** The counter of a question that comes as the same object again. */
  readonly #last = new WeakMap<SearchRequest, Counter>();
  #hasLoaded = false;
  #hasChanged = false;
  #timer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(clock: Clock, store: PopularQueryStore, options: PopularQueryOptions, onFailed: (error: KennelError) => void) {
    this.#clock = clock;
    this.#store = store;
    this.#options = options;
    this.#onFailed = onFailed;
  }

  get size(): number {
    let size = 0;
    for (const counters of this.#collections.values()) size += counters.size;
    return size;
  }

  /** @param collection its own name, where the request may say an alias's */
  note(collection: string, request: SearchRequest, scope: Scope): void {
    if (this.#options.maxQueries === 0) return;
    const last = this.#last.get(request);
    if (last?.isKept && last.scope === scope && last.collection === collection) last.count++;
    else if (isRepeatable(request)) this.#count(collection, request, scope, 1);
    else return;
    this.#hasChanged = true;
    this.#timer ??= this.#clock.setTimer(this.#options.saveIntervalMs, () => void this.save());
  }

  /** Most asked first, equal ones in an order that does not change. */
  top(collection: string): readonly PopularQuery[] {
    const counters = [...(this.#collections.get(collection) ?? [])];
    counters.sort(([leftKey, left], [rightKey, right]) => right.count - left.count || (leftKey < rightKey ? -1 : 1));
    return counters.slice(0, this.#options.maxQueries).map(([, { scope, request, count }]) => ({ scope, request, count }));
  }

  forget(collection: string): void {
    const counters = this.#collections.get(collection);
    if (counters === undefined) return;
    for (const counter of counters.values()) counter.isKept = false;
    this.#collections.delete(collection);
    this.#hasChanged = true;
  }

  /** Adds what earlier processes have counted, or removes it where nothing is to be kept. Never rejects. */
  async load(): Promise<void> {
    try {
      if (this.#options.maxQueries === 0) return await this.#store.clear();
      for (const [collection, queries] of await this.#store.read()) {
        for (const { request, scope, count } of queries) this.#count(collection, request, scope, Math.ceil(count / 2));
      }
    } catch (thrown) {
      this.#onFailed(toKennelError(thrown));
    }
    this.#hasLoaded = true;
  }

  /** Writes what is counted, once it was loaded: before that, it would take the place of more. Never rejects; one write at a time. */
  save(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async #save(): Promise<void> {
    if (!this.#hasLoaded || !this.#hasChanged) return;
    this.#hasChanged = false;
    const copied = [...this.#collections].map(([name, counters]) => [name, [...counters.values()].map(copyOf)] as const);
    try {
      await this.#store.write(new Map(copied));
    } catch (thrown) {
      this.#onFailed(toKennelError(thrown));
    }
  }

  #count(collection: string, request: SearchRequest, scope: Scope, amount: number): void {
    const key = questionKey(request, scope);
    if (key.length > MAX_QUESTION_LENGTH) return;
    const counters = this.#collections.get(collection) ?? this.#makeRoom(collection);
    const known = counters.get(key);
    if (known !== undefined) {
      known.count += amount;
      this.#last.set(request, known);
      return;
    }
    let base = 0;
    if (counters.size >= this.#options.maxQueries * COUNTERS_PER_QUERY) {
      const [rarestKey, rarest] = rarestOf(counters);
      counters.delete(rarestKey);
      rarest.isKept = false;
      base = rarest.count;
    }
    const counter = { collection, scope, request, count: base + amount, isKept: true };
    counters.set(key, counter);
    this.#last.set(request, counter);
  }

  #makeRoom(collection: string): Map<string, Counter> {
    if (this.#collections.size >= this.#options.maxCollections) {
      const [first] = this.#collections.keys();
      if (first !== undefined) this.forget(first);
    }
    const counters = new Map<string, Counter>();
    this.#collections.set(collection, counters);
    return counters;
  }
}

/** Whether asking it again makes sense, costs nothing, and helps anyone: a vector of the asker's own has no text, an explanation is not for keeps. */
function isRepeatable({ query, vector, strategy, options, useCache, explain }: SearchRequest): boolean {
  const isPlain = PLAIN_STRATEGIES.some((name) => name === strategy) && options === DEFAULT_OPTIONS;
  return query !== null && vector === null && isPlain && useCache && !explain;
}

function questionKey(request: SearchRequest, scope: Scope): string {
  const { query, strategy, topK, candidateK, filter, fusion, groupBy, scoreThreshold, include } = request;
  const parts = [scopeKey(scope), query, strategy, topK, candidateK, filter, fusion, groupBy, scoreThreshold, [...include].sort()];
  return JSON.stringify(parts);
}

function rarestOf(counters: ReadonlyMap<string, Counter>): readonly [string, Counter] {
  let rarest: readonly [string, Counter] | null = null;
  for (const entry of counters) if (rarest === null || entry[1].count < rarest[1].count) rarest = entry;
  if (rarest === null) throw new TypeError("Of no counters none is the rarest");
  return rarest;
}

function copyOf({ scope, request, count }: Counter): PopularQuery {
  return { scope, request, count };
}
