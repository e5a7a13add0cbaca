import type { Bulkhead } from "../../supervisor/bulkhead.ts";
import type { Service } from "../../supervisor/service.ts";
import type { ChunkRow, IndexName, LexicalIndex, VectorStore } from "./vector_store.ts";

/** Milliseconds that the supervised store gives a call of each kind. */
export interface VectorStoreTimeouts {
  readonly searchMs: number;
  readonly writeMs: number;
  /** Merging files and building indexes. */
  readonly optimizeMs: number;
}

type Store = VectorStore & LexicalIndex;
type Work<Result> = (store: Store, signal: AbortSignal) => Promise<Result>;

/**
 * The port as a service keeps it: bounded, broken off at its deadline, refused at once while the store is suspended.
 * @param bulkhead stands before what queries and ingest do by the thousand; upkeep goes past it. Null: nothing does
 */
export function superviseVectorStore(
  service: Service<Store>,
  { searchMs, writeMs, optimizeMs }: VectorStoreTimeouts,
  bulkhead: Bulkhead | null = null,
): Store {
  const read = <Result>(work: Work<Result>, signal: AbortSignal) => service.call(work, { timeoutMs: searchMs, signal });
  const shared = <Result>({ collection }: IndexName, timeoutMs: number, work: Work<Result>, signal: AbortSignal) =>
    bulkhead === null
      ? service.call(work, { timeoutMs, signal })
      : bulkhead.run(collection, signal, (hold) => service.call((store, call) => hold(work(store, call)), { timeoutMs, signal }));
  const write = <Result>(work: (store: VectorStore, signal: AbortSignal) => Promise<Result>, signal: AbortSignal) =>
    service.call(work, { timeoutMs: writeMs, signal });
  return {
    createIndex: (index, schema, signal) => write((store, call) => store.createIndex(index, schema, call), signal),
    dropIndex: (index, signal) => write((store, call) => store.dropIndex(index, call), signal),
    extendSchema: (index, attributes, signal) => write((store, call) => store.extendSchema(index, attributes, call), signal),
    replaceDocuments: (index, ids, rows, signal) =>
      shared(index, writeMs, (store, call) => store.replaceDocuments(index, ids, rows, call), signal),
    searchVector: (index, vector, options, signal) =>
      shared(index, searchMs, (store, call) => store.searchVector(index, vector, options, call), signal),
    searchText: (index, query, options, signal) =>
      shared(index, searchMs, (store, call) => store.searchText(index, query, options, call), signal),
    fetchChunks: (index, ids, signal) => shared(index, searchMs, (store, call) => store.fetchChunks(index, ids, call), signal),
    scan: (index, pageRows, signal) => scanPages((work) => shared(index, searchMs, work, signal), index, pageRows, signal),
    countRows: (index, signal) => read((store, call) => store.countRows(index, call), signal),
    optimize: (index, signal) => service.call((store, call) => store.optimize(index, call), { timeoutMs: optimizeMs, signal }),
    ownIndexes: (signal) => read((store, call) => store.ownIndexes(call), signal),
    probe: (signal) => read((store, call) => store.probe(call), signal),
    close: async () => {}, // the service owns the store and closes it
  };
}

/** A call for each page, so that a reader that takes its time holds none of the service's places meanwhile. */
async function* scanPages(
  call: <Result>(work: Work<Result>) => Promise<Result>,
  index: IndexName,
  pageRows: number,
  signal: AbortSignal,
): AsyncIterable<readonly ChunkRow[]> {
  const pages = await call(async (store) => store.scan(index, pageRows, signal)[Symbol.asyncIterator]());
  try {
    for (;;) {
      const page = await call(() => pages.next());
      if (page.done) return;
      yield page.value;
    }
  } finally {
    await pages.return?.();
  }
}
