import { LRUCache } from "lru-cache";
import { unlessAborted } from "../../runtime/cancellation.ts";
import { KennelError, kennelError } from "../../runtime/errors.ts";
import type { AttributeSchema } from "./filter.ts";
import type { ReplicaLevels } from "./replica_levels.ts";
import type { Candidate, ChunkRow, IndexName, IndexSchema, LexicalIndex, SearchOptions, StoredChunk, VectorStore } from "./vector_store.ts";

/** An index as a vector store knows it. */
export interface DescribedIndex {
  readonly schema: IndexSchema;
  /** Whether the store ranks the index's texts itself. */
  readonly hasText: boolean;
}

export interface LexicalReplicaOptions {
  readonly store: VectorStore & LexicalIndex;
  readonly describe: (index: IndexName, signal: AbortSignal) => Promise<DescribedIndex>;
  /** Keeps the texts, without vectors, of indexes that `store` does not rank; this process alone writes to it. */
  readonly replica: VectorStore & LexicalIndex;
  readonly levels: ReplicaLevels;
  /** The newest version of a collection's index, from the document store; null: there is no such collection. */
  readonly indexVersionOf: (collection: string, signal: AbortSignal) => Promise<number | null>;
}

const SCAN_PAGE_ROWS = 500;
const FILLED_DOCUMENTS_PER_WRITE = 500;
const MAX_REMEMBERED = 20_000;
/** When a search may find the replica filled. */
const RETRY_AFTER_MS = 1_000;

/** An index's replica: compared with the store once for each process, and filled from it where they differ. */
interface Replica {
  readonly index: IndexName;
  state: "filling" | "ready";
  /** Documents written while it is filled: what the filling read of them is old. */
  readonly written: Set<string>;
}

/**
 * A store whose server does not rank texts, with a lexical side of its own beside it. Invariants:
 *   R1. What a write changes is in the store first; a replica that did not get it fails the write, which is made again.
 *   R2. A replica that is not known to be of its collection's newest index version, or has another number of rows than
 *       its index, is emptied and filled from the store; until then text searches are refused as `unavailable`, never
 *       answered from half of the rows.
 *   R3. While the store is gone, text searches are answered as before, and the passages that they found.
 */
export class LexicalReplica implements VectorStore, LexicalIndex {
  readonly #options: LexicalReplicaOptions;
  readonly #described = new LRUCache<string, DescribedIndex>({ max: MAX_REMEMBERED });
  readonly #replicas = new LRUCache<string, Replica>({ max: MAX_REMEMBERED });
  readonly #checks = new Map<string, Promise<void>>();
  /** Comparisons and fillings outlive the call that began them. */
  readonly #closing = new AbortController();

  constructor(options: LexicalReplicaOptions) {
    this.#options = options;
  }

  async createIndex(index: IndexName, schema: IndexSchema, signal: AbortSignal): Promise<void> {
    const { store, replica } = this.#options;
    await store.createIndex(index, schema, signal);
    this.#described.delete(keyOf(index));
    if (!(await this.#hasText(index, signal))) await replica.createIndex(index, schema, signal);
  }

  async dropIndex(index: IndexName, signal: AbortSignal): Promise<void> {
    const { store, replica, levels } = this.#options;
    await store.dropIndex(index, signal);
    await replica.dropIndex(index, signal);
    await levels.clear(index);
    this.#described.delete(keyOf(index));
    this.#replicas.delete(keyOf(index));
  }

  /** What ingest has written of a collection up to now is this version of its index. Never rejects. */
  async changed(collection: string, indexVersion: number): Promise<void> {
    const ready = [...this.#replicas.values()].filter(({ index, state }) => index.collection === collection && state === "ready");
    // A level that is not on disk costs a filling after the next start.
    await Promise.all(ready.map(({ index }) => this.#options.levels.put(index, indexVersion).catch(ignore)));
  }

  async extendSchema(index: IndexName, attributes: AttributeSchema, signal: AbortSignal): Promise<void> {
    const { store, replica } = this.#options;
    await store.extendSchema(index, attributes, signal);
    if (await this.#hasText(index, signal)) return;
    await this.#check(index, signal);
    await replica.extendSchema(index, attributes, signal);
  }

  async replaceDocuments(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    const { store, replica, levels } = this.#options;
    if (await this.#hasText(index, signal)) return store.replaceDocuments(index, documentIds, rows, signal);
    await this.#check(index, signal); // before the write makes them differ
    await levels.clear(index);
    await store.replaceDocuments(index, documentIds, rows, signal);
    const held = this.#replicas.get(keyOf(index));
    if (held?.state === "filling") for (const id of documentIds) held.written.add(id);
    try {
      await replica.replaceDocuments(index, documentIds, rows.map(withoutVector), signal);
    } catch (thrown) {
      this.#replicas.delete(keyOf(index)); // compared again before it is searched
      throw thrown;
    }
  }

  async searchText(index: IndexName, query: string, options: SearchOptions, signal: AbortSignal): Promise<readonly Candidate[]> {
    const { store, replica } = this.#options;
    if (await this.#hasTextOrIsGone(index, signal)) return store.searchText(index, query, options, signal);
    if (this.#replicas.get(keyOf(index)) === undefined) await this.#check(index, signal).catch(unlessUnavailable);
    if (this.#replicas.get(keyOf(index))?.state === "filling") {
      const message = "The lexical side of this index is being filled from the vector store";
      throw kennelError("unavailable", { message, retryAfterMs: RETRY_AFTER_MS });
    }
    return replica.searchText(index, query, options, signal);
  }

  async fetchChunks(index: IndexName, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredChunk[]> {
    const { store, replica } = this.#options;
    try {
      return await store.fetchChunks(index, ids, signal);
    } catch (thrown) {
      unlessUnavailable(thrown);
      if (signal.aborted || this.#replicas.get(keyOf(index))?.state === "filling" || !(await this.#isHeld(index, signal))) throw thrown;
      return replica.fetchChunks(index, ids, signal);
    }
  }

  async optimize(index: IndexName, signal: AbortSignal): Promise<void> {
    await this.#options.store.optimize(index, signal);
    if (!(await this.#hasText(index, signal))) await this.#options.replica.optimize(index, signal);
  }

  searchVector: VectorStore["searchVector"] = (...call) => this.#options.store.searchVector(...call);
  scan: VectorStore["scan"] = (...call) => this.#options.store.scan(...call);
  countRows: VectorStore["countRows"] = (...call) => this.#options.store.countRows(...call);
  ownIndexes: VectorStore["ownIndexes"] = (...call) => this.#options.store.ownIndexes(...call);
  probe: VectorStore["probe"] = (...call) => this.#options.store.probe(...call);

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#options.store.close();
    await this.#options.replica.close();
  }

  async #hasText(index: IndexName, signal: AbortSignal): Promise<boolean> {
    const key = keyOf(index);
    const described = this.#described.get(key) ?? (await this.#options.describe(index, signal));
    this.#described.set(key, described);
    return described.hasText;
  }

  /** R3: an index that was never described since this process began is looked for in the replica. */
  async #hasTextOrIsGone(index: IndexName, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#hasText(index, signal);
    } catch (thrown) {
      unlessUnavailable(thrown);
      if (!(await this.#isHeld(index, signal))) throw thrown;
      return false;
    }
  }

  async #isHeld(index: IndexName, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#options.replica.countRows(index, signal);
      return true;
    } catch {
      return false;
    }
  }

  /** One comparison at a time for each index, shared by whoever asks meanwhile. */
  #check(index: IndexName, signal: AbortSignal): Promise<void> {
    const key = keyOf(index);
    if (this.#replicas.has(key)) return Promise.resolve();
    let check = this.#checks.get(key);
    if (check === undefined) {
      check = this.#compare(index).finally(() => this.#checks.delete(key));
      check.catch(ignore);
      this.#checks.set(key, check);
    }
    return unlessAborted(check, signal);
  }

  async #compare(index: IndexName): Promise<void> {
    const { store, replica, describe, levels, indexVersionOf } = this.#options;
    const stopping = this.#closing.signal;
    const { schema } = await describe(index, stopping);
    const wanted = await store.countRows(index, stopping);
    const held = await replica.countRows(index, stopping).catch(unlessMissing);
    const isLevel = async () => (await levels.read(index)) === (await indexVersionOf(index.collection, stopping));
    if (held === wanted && (wanted === 0 || (await isLevel()))) {
      this.#replicas.set(keyOf(index), { index, state: "ready", written: new Set() });
      return;
    }
    await levels.clear(index);
    await replica.dropIndex(index, stopping);
    await replica.createIndex(index, schema, stopping);
    const filled: Replica = { index, state: "filling", written: new Set() };
    this.#replicas.set(keyOf(index), filled);
    this.#fill(index, filled).then(
      async () => {
        filled.state = "ready";
        filled.written.clear();
        const indexVersion = await indexVersionOf(index.collection, stopping).catch(ignore);
        if (indexVersion != null) await levels.put(index, indexVersion).catch(ignore);
      },
      () => this.#replicas.delete(keyOf(index)), // the next search or write begins anew
    );
  }

  async #fill(index: IndexName, filled: Replica): Promise<void> {
    const { store, replica } = this.#options;
    const stopping = this.#closing.signal;
    for await (const documents of wholeDocuments(store.scan(index, SCAN_PAGE_ROWS, stopping))) {
      const current = documents.filter(([documentId]) => !filled.written.has(documentId));
      const rows = current.flatMap(([, rowsOfOne]) => rowsOfOne.map(withoutVector));
      await replica.replaceDocuments(index, current.map(([documentId]) => documentId), rows, stopping); // biome-ignore format: one call
    }
    await replica.optimize(index, stopping);
  }
}

type WholeDocument = readonly [documentId: string, rows: readonly ChunkRow[]];

/**
 * Rows in the order of their ids as whole documents. An id is `{documentId}#{ordinal}`, so that between two rows of one
 * document all ids begin with `{documentId}#`: the first that does not ends it.
 */
export async function* wholeDocuments(pages: AsyncIterable<readonly ChunkRow[]>): AsyncGenerator<readonly WholeDocument[]> {
  const open = new Map<string, ChunkRow[]>();
  let whole: WholeDocument[] = [];
  for await (const page of pages) {
    for (const row of page) {
      for (const [documentId, rows] of open) {
        if (row.id.startsWith(`${documentId}#`)) continue;
        open.delete(documentId);
        whole.push([documentId, rows]);
      }
      const rows = open.get(row.documentId);
      if (rows === undefined) open.set(row.documentId, [row]);
      else rows.push(row);
    }
    while (whole.length >= FILLED_DOCUMENTS_PER_WRITE) yield whole.splice(0, FILLED_DOCUMENTS_PER_WRITE);
  }
  whole = [...whole, ...open];
  while (whole.length > 0) yield whole.splice(0, FILLED_DOCUMENTS_PER_WRITE);
}

function keyOf({ collection, version }: IndexName): string {
  return `${collection} ${version}`;
}

function withoutVector(row: ChunkRow): ChunkRow {
  return { ...row, vector: null };
}

function unlessUnavailable(thrown: unknown): void {
  const isGone = thrown instanceof KennelError && ["unavailable", "deadline_exceeded", "overloaded"].includes(thrown.code);
  if (!isGone) throw thrown;
}

/** Null: there is no replica of the index. */
function unlessMissing(thrown: unknown): null {
  if (thrown instanceof KennelError && thrown.code === "not_found") return null;
  throw thrown;
}

function ignore(): void {}
