import type { Service } from "../../supervisor/service.ts";
import type { ChunkRow, IndexName, LexicalIndex, VectorStore } from "./vector_store.ts";

/** Milliseconds that the supervised store gives a call of each kind. */
export interface VectorStoreTimeouts {
  readonly searchMs: number;
  readonly writeMs: number;
  /** Merging files and building indexes. */
  readonly optimizeMs: number;
}

/** The port as a service keeps it: bounded, broken off at its deadline, refused at once while the store is suspended. */
export function superviseVectorStore(
  service: Service<VectorStore & LexicalIndex>,
  { searchMs, writeMs, optimizeMs }: VectorStoreTimeouts,
): VectorStore & LexicalIndex {
  const read = <Result>(work: (store: VectorStore & LexicalIndex, signal: AbortSignal) => Promise<Result>, signal: AbortSignal) =>
    service.call(work, { timeoutMs: searchMs, signal });
  const write = <Result>(work: (store: VectorStore, signal: AbortSignal) => Promise<Result>, signal: AbortSignal) =>
    service.call(work, { timeoutMs: writeMs, signal });
  return {
    createIndex: (index, schema, signal) => write((store, call) => store.createIndex(index, schema, call), signal),
    dropIndex: (index, signal) => write((store, call) => store.dropIndex(index, call), signal),
    extendSchema: (index, attributes, signal) => write((store, call) => store.extendSchema(index, attributes, call), signal),
    replaceDocuments: (index, ids, rows, signal) => write((store, call) => store.replaceDocuments(index, ids, rows, call), signal),
    searchVector: (index, vector, options, signal) => read((store, call) => store.searchVector(index, vector, options, call), signal),
    searchText: (index, query, options, signal) => read((store, call) => store.searchText(index, query, options, call), signal),
    fetchChunks: (index, ids, signal) => read((store, call) => store.fetchChunks(index, ids, call), signal),
    scan: (index, pageRows, signal) => scanPages(service, index, pageRows, searchMs, signal),
    countRows: (index, signal) => read((store, call) => store.countRows(index, call), signal),
    optimize: (index, signal) => service.call((store, call) => store.optimize(index, call), { timeoutMs: optimizeMs, signal }),
    probe: (signal) => read((store, call) => store.probe(call), signal),
    close: async () => {}, // the service owns the store and closes it
  };
}

/** A call for each page, so that a reader that takes its time holds none of the service's places meanwhile. */
async function* scanPages(
  service: Service<VectorStore & LexicalIndex>,
  index: IndexName,
  pageRows: number,
  pageTimeoutMs: number,
  signal: AbortSignal,
): AsyncIterable<readonly ChunkRow[]> {
  const call = { timeoutMs: pageTimeoutMs, signal };
  const pages = await service.call(async (store) => store.scan(index, pageRows, signal)[Symbol.asyncIterator](), call);
  try {
    for (;;) {
      const page = await service.call(() => pages.next(), call);
      if (page.done) return;
      yield page.value;
    }
  } finally {
    await pages.return?.();
  }
}
