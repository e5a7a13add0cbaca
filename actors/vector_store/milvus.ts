import { cancellationOf, unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { PoolStats } from "../../supervisor/pool.ts";
import type { Adoption, Adoptions, ForeignCollections } from "./adoption.ts";
import type { AttributeSchema } from "./filter.ts";
import { AdoptedCollections } from "./milvus/adopted/adopted_collections.ts";
import type { CollectionLayout } from "./milvus/collection.ts";
import { Collections, type IndexParameters } from "./milvus/collections.ts";
import { type ConnectionOptions, type MilvusCapabilities, MilvusConnection } from "./milvus/connection.ts";
import { succeeded, translateFailure } from "./milvus/failures.ts";
import { countRows, createReader, fetchChunks, type Reader, scanRows, searchText, searchVector } from "./milvus/reads.ts";
import type { WordsOf } from "./milvus/rows.ts";
import { replaceDocuments } from "./milvus/writes.ts";
import { checkReplacement } from "./replacement.ts";
import type {
  Candidate,
  ChunkRow,
  FoundChunk,
  IndexName,
  IndexSchema,
  LexicalIndex,
  SearchOptions,
  StoredChunk,
  VectorStore,
} from "./vector_store.ts";

export interface MilvusOptions extends ConnectionOptions, IndexParameters {
  /** Candidates that the graph weighs for a search, at least; a search weighs no fewer than its limit. */
  readonly efSearch: number;
  /** Analysis of texts in a language. Rejects with `invalid_request` for one that it does not know. */
  readonly loadWords: (language: string) => Promise<WordsOf>;
  /** Collections that lie in one that Kennel did not make. */
  readonly adoptions: Pick<Adoptions, "of">;
  readonly clock: Clock;
}

export interface MilvusStore extends VectorStore, LexicalIndex {
  readonly capabilities: MilvusCapabilities;
  /** Where it is connected to: `host:port`. */
  readonly address: string;
  readonly pool: PoolStats;
  readonly foreign: ForeignCollections;
  /**
   * What the index was made with; `searchText` works where `hasText`, which its collection got from the server's version.
   * An adopted one, which is searched for that, says so, too: it is not this that decides who ranks its texts.
   */
  describe(index: IndexName, signal: AbortSignal): Promise<{ readonly schema: IndexSchema; readonly hasText: boolean }>;
}

/** Part of the channels that vector searches may have, since those that wait share calls; the others are left to reads and writes. */
const SEARCH_SHARE = 0.5;

/** Connects to the first address that answers. Rejects with `unavailable` when none does. */
export async function openMilvus(options: MilvusOptions, signal: AbortSignal): Promise<MilvusStore> {
  return new Milvus(await MilvusConnection.open(options, signal), options);
}

/**
 * Vectors, and BM25 where the server has it, in a Milvus; one collection for each index. Invariants:
 *   M1. Every answer's status is looked at; one without a status is a failure.
 *   M2. A promise settles as soon as its signal aborts. The request goes on until its own limit and ends unseen.
 *   M3. No message of Milvus leaves this file but as a `cause`.
 *   M4. A search sees every change of this process that ended before it began.
 *   M5. An adopted collection is never made, dropped, altered, indexed or given an alias; what reads or writes it goes
 *       through `AdoptedCollections`, which knows no such call.
 */
class Milvus implements MilvusStore {
  readonly #connection: MilvusConnection;
  readonly #collections: Collections;
  readonly #reader: Reader;
  readonly #adopted: AdoptedCollections;
  readonly #adoptions: MilvusOptions["adoptions"];
  readonly #closing = new AbortController();
  readonly #loadWords: MilvusOptions["loadWords"];
  readonly #words = new Map<string, Promise<WordsOf>>();

  constructor(connection: MilvusConnection, options: MilvusOptions) {
    this.#connection = connection;
    this.#collections = new Collections(connection, options, options.clock, this.#closing.signal);
    const { max } = options.pool;
    this.#reader = createReader(connection.client, options.efSearch, Math.ceil(max * SEARCH_SHARE), max);
    this.#adopted = new AdoptedCollections(connection.client, this.#reader, options.clock, this.#closing.signal);
    this.#adoptions = options.adoptions;
    this.#loadWords = options.loadWords;
  }

  get foreign(): ForeignCollections {
    const calls = <Result>(work: (signal: AbortSignal) => Promise<Result>, signal: AbortSignal) =>
      settle("read a collection of others", null, signal, () => work(signal));
    const adopted = this.#adopted;
    return {
      list: (signal) => calls(() => adopted.list(), signal),
      inspect: (name, isToLoad, signal) => calls(() => adopted.inspect(name, isToLoad), signal),
      matchDocuments: (adoption, filter, limit, signal) => calls(() => adopted.matchDocuments(adoption, filter, limit, signal), signal),
      heldDocuments: (adoption, ids, signal) => calls(() => adopted.heldDocuments(adoption, ids, signal), signal),
      readDocument: (adoption, id, signal) => calls(() => adopted.readDocument(adoption, id), signal),
    };
  }

  get capabilities(): MilvusCapabilities {
    return this.#connection.capabilities;
  }

  get address(): string {
    return this.#connection.address;
  }

  get pool(): PoolStats {
    return this.#connection.pool;
  }

  createIndex(index: IndexName, schema: IndexSchema, signal: AbortSignal): Promise<void> {
    return settle("create", index, signal, async () => {
      if (this.#adoptionOf(index) !== null) return; // M5: it is there
      await this.#wordsOf(schema.language); // refuses an unknown language
      await this.#collections.create(index, schema);
    });
  }

  dropIndex(index: IndexName, signal: AbortSignal): Promise<void> {
    return settle("drop", index, signal, async () => {
      if (this.#adoptionOf(index) === null) await this.#collections.drop(index); // M5
    });
  }

  extendSchema(index: IndexName, attributes: AttributeSchema, signal: AbortSignal): Promise<void> {
    return settle("extend", index, signal, async () => {
      if (this.#adoptionOf(index) === null) await this.#collections.extend(index, attributes); // M5
    });
  }

  replaceDocuments(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    const adoption = this.#adoptionOf(index);
    return settle("write", index, signal, async () => {
      checkReplacement(documentIds, rows);
      if (adoption !== null) return this.#adopted.replaceDocuments(adoption, documentIds, rows, signal);
      await this.#collections.change(index, async (described) => {
        if (signal.aborted) throw cancellationOf(signal); // it may have waited long for its turn
        const isKnown = rows.every(({ attributes }) => Object.keys(attributes).every((key) => described.attributes.has(key)));
        const layout = isKnown ? described : await this.#collections.refresh(index);
        const words = layout.hasText ? await this.#wordsOf(layout.language) : null;
        await replaceDocuments(this.#connection.client, layout, documentIds, rows, words);
      });
    });
  }

  searchVector(
    index: IndexName,
    vector: Float32Array,
    options: SearchOptions,
    signal: AbortSignal,
  ): Promise<readonly (Candidate | FoundChunk)[]> {
    const adoption = this.#adoptionOf(index);
    return settle("search", index, signal, () =>
      adoption === null
        ? this.#collections.use(index, (layout) => searchVector(this.#reader, layout, vector, options, signal))
        : this.#adopted.searchVector(adoption, vector, options, signal),
    );
  }

  searchText(index: IndexName, query: string, options: SearchOptions, signal: AbortSignal): Promise<readonly Candidate[]> {
    const adoption = this.#adoptionOf(index);
    if (adoption !== null) return settle("search", index, signal, () => this.#adopted.searchText(adoption, query, options));
    return settle("search", index, signal, () =>
      this.#collections.use(index, async (layout) => {
        if (!layout.hasText) throw new TypeError(`Milvus ${this.capabilities.version} has no BM25 for this index`);
        const words = await this.#wordsOf(layout.language);
        return searchText(this.#reader, layout, words(query), options, signal);
      }),
    );
  }

  fetchChunks(index: IndexName, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredChunk[]> {
    const adoption = this.#adoptionOf(index);
    return settle("read", index, signal, () =>
      adoption === null
        ? this.#collections.use(index, (layout) => fetchChunks(this.#reader, layout, ids))
        : this.#adopted.fetchChunks(adoption, ids),
    );
  }

  async *scan(index: IndexName, pageRows: number, signal: AbortSignal): AsyncIterable<readonly ChunkRow[]> {
    const { client } = this.#connection;
    const adoption = this.#adoptionOf(index);
    const open = () =>
      adoption === null
        ? this.#collections.use(index, async (layout) => scanRows(client, layout, pageRows))
        : this.#adopted.scan(adoption, pageRows);
    const pages = await settle("scan", index, signal, open);
    for (;;) {
      const { done, value } = await settle("scan", index, signal, () => pages.next());
      if (done) return;
      yield value;
    }
  }

  countRows(index: IndexName, signal: AbortSignal): Promise<number> {
    const adoption = this.#adoptionOf(index);
    return settle("count", index, signal, () =>
      adoption === null
        ? this.#collections.use(index, (layout) => countRows(this.#connection.client, layout))
        : this.#adopted.countRows(adoption),
    );
  }

  /** Seals what is written, so that it is indexed; an adopted one is its owner's to tend. Milvus merges and clears by itself. */
  optimize(index: IndexName, signal: AbortSignal): Promise<void> {
    const { client } = this.#connection;
    return settle("optimize", index, signal, async () => {
      if (this.#adoptionOf(index) !== null) return;
      await this.#collections.use(index, async ({ name }) => void succeeded(await client.flush({ collection_names: [name] })));
    });
  }

  describe(index: IndexName, signal: AbortSignal): Promise<{ readonly schema: IndexSchema; readonly hasText: boolean }> {
    const adoption = this.#adoptionOf(index);
    if (adoption !== null) {
      const { dimensions, attributes, language } = adoption;
      return settle("open", index, signal, async () => {
        await this.#adopted.trySearch(adoption, signal);
        return { schema: { dimensions, language, attributes }, hasText: true };
      });
    }
    return settle("open", index, signal, () =>
      this.#collections.use(index, async ({ dimensions, language, attributes, hasText }) => ({
        schema: { dimensions, language, attributes: Object.fromEntries(attributes) },
        hasText,
      })),
    );
  }

  /** A search in the collection that was used last: a server says that it is healthy long before it can search. Before the first use, the list of collections. */
  /** Another Kennel, with other documents, may share the server. */
  async ownIndexes(): Promise<readonly IndexName[]> {
    return [];
  }

  async probe(signal: AbortSignal): Promise<void> {
    await settle("reach the vector store", null, signal, async () => {
      const options: SearchOptions = { limit: 1, needed: null, filter: null, notBeforeMs: null };
      const search = (layout: CollectionLayout) =>
        searchVector(this.#reader, layout, new Float32Array(layout.dimensions).fill(1), options, signal);
      const found = (await this.#collections.useLast(search)) ?? (await this.#adopted.searchLast(signal));
      if (found === null) succeeded(await this.#connection.client.showCollections());
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#connection.close();
  }

  #adoptionOf({ collection }: IndexName): Adoption | null {
    return this.#adoptions.of(collection);
  }

  /** One analysis for each language, which there are few of. */
  #wordsOf(language: string): Promise<WordsOf> {
    const held = this.#words.get(language);
    if (held !== undefined) return held;
    const loading = this.#loadWords(language);
    this.#words.set(language, loading);
    loading.catch(() => this.#words.delete(language));
    return loading;
  }
}

/** M2, M3 */
async function settle<Result>(
  attempted: string,
  index: IndexName | null,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  if (signal.aborted) throw cancellationOf(signal);
  try {
    return await unlessAborted(work(), signal);
  } catch (thrown) {
    throw translateFailure(thrown, attempted, index);
  }
}
