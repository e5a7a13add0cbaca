import { type MilvusOptions, type MilvusStore, openMilvus } from "./milvus.ts";
import type { IndexName } from "./vector_store.ts";

// Invariants:
//   F1. The way back to the first address is taken only after a search there has succeeded in the index that was searched last.
//   F2. It is taken while no change is under way, so that changes of one index keep their order (C2 of the collections).
//   F3. One way back at a time; what it has opened and not taken is closed.

/**
 * The first of several addresses of one Milvus that answers; they lead to the same data, as its proxies do. One that goes
 * away fails its calls: the service that owns this opens it anew and so comes to the next. While it is not on the first,
 * each health probe looks whether that one can be searched again, and what comes after goes there.
 * @throws KennelError `unavailable` when none answers
 */
export async function openMilvusFailover(options: MilvusOptions, signal: AbortSignal): Promise<MilvusStore> {
  const [first, ...others] = options.addresses;
  const store = await openMilvus(options, signal);
  if (first === undefined || others.length === 0) return store;
  return new Failover(store, { ...options, addresses: [first] });
}

class Failover implements MilvusStore {
  readonly #onFirst: MilvusOptions;
  readonly #closing = new AbortController();
  #store: MilvusStore;
  #lastIndex: IndexName | null = null;
  #changes = 0;
  #returning: Promise<void> | null = null;

  /** @param onFirst how to open the first address alone */
  constructor(store: MilvusStore, onFirst: MilvusOptions) {
    this.#store = store;
    this.#onFirst = onFirst;
  }

  get capabilities() {
    return this.#store.capabilities;
  }

  get address() {
    return this.#store.address;
  }

  get pool() {
    return this.#store.pool;
  }

  get foreign() {
    return this.#store.foreign;
  }

  readonly createIndex: MilvusStore["createIndex"] = (...call) => this.#change((store) => store.createIndex(...call));
  readonly dropIndex: MilvusStore["dropIndex"] = (...call) => this.#change((store) => store.dropIndex(...call));
  readonly extendSchema: MilvusStore["extendSchema"] = (...call) => this.#change((store) => store.extendSchema(...call));
  readonly replaceDocuments: MilvusStore["replaceDocuments"] = (...call) => this.#change((store) => store.replaceDocuments(...call));
  readonly optimize: MilvusStore["optimize"] = (...call) => this.#change((store) => store.optimize(...call));

  readonly searchVector: MilvusStore["searchVector"] = (index, ...call) => {
    this.#lastIndex = index;
    return this.#store.searchVector(index, ...call);
  };
  readonly searchText: MilvusStore["searchText"] = (...call) => this.#store.searchText(...call);
  readonly fetchChunks: MilvusStore["fetchChunks"] = (...call) => this.#store.fetchChunks(...call);
  readonly scan: MilvusStore["scan"] = (...call) => this.#store.scan(...call);
  readonly countRows: MilvusStore["countRows"] = (...call) => this.#store.countRows(...call);
  readonly describe: MilvusStore["describe"] = (...call) => this.#store.describe(...call);

  readonly ownIndexes: MilvusStore["ownIndexes"] = (...call) => this.#store.ownIndexes(...call);

  async probe(signal: AbortSignal): Promise<void> {
    // Not waited for: a first one that hangs says nothing about this one.
    if (this.address !== this.#onFirst.addresses[0]?.address) {
      this.#returning ??= this.#goBack().finally(() => {
        this.#returning = null;
      });
    }
    await this.#store.probe(signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#returning; // F3
    await this.#store.close();
  }

  async #change<Result>(work: (store: MilvusStore) => Promise<Result>): Promise<Result> {
    this.#changes += 1;
    try {
      return await work(this.#store);
    } finally {
      this.#changes -= 1;
    }
  }

  /** Never rejects: a first address that is not back is looked at again by the next probe. */
  async #goBack(): Promise<void> {
    // As long as opening and two requests may take.
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(3 * this.#onFirst.requestTimeoutMs)]);
    const first = await openMilvus(this.#onFirst, signal).catch(() => null);
    if (first === null) return;
    const canBeSearched = await this.#canBeSearched(first, signal).catch(() => false); // F1
    if (!canBeSearched || signal.aborted || this.#changes > 0) return first.close(); // F2
    const left = this.#store;
    this.#store = first;
    await left.close();
  }

  async #canBeSearched(store: MilvusStore, signal: AbortSignal): Promise<boolean> {
    if (this.#lastIndex !== null) await store.describe(this.#lastIndex, signal);
    await store.probe(signal);
    return true;
  }
}
