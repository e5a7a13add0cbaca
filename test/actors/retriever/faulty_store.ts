import type { CachedEmbeddingModel } from "../../../actors/embedding/embedding.ts";
import { matches } from "../../../actors/vector_store/filter.ts";
import type {
  Candidate,
  ChunkRow,
  LexicalIndex,
  SearchOptions,
  StoredChunk,
  VectorStore,
} from "../../../actors/vector_store/vector_store.ts";
import { type ErrorCode, kennelError } from "../../../runtime/errors.ts";

export type SearchStore = Pick<VectorStore, "searchVector" | "fetchChunks" | "scan"> & LexicalIndex;
export type StoreCall = "searchVector" | "searchText" | "fetchChunks" | "scan";

/** What happens to a call: nothing, a failure with a code, no end, an end when the test opens it, or nonsense. */
export type Fault =
  | { readonly kind: "fail"; readonly code: ErrorCode }
  | { readonly kind: "throw" }
  | { readonly kind: "hang" }
  | { readonly kind: "wait"; readonly until: Promise<unknown> }
  | { readonly kind: "answer"; readonly candidates: readonly Candidate[] };

/**
 * A store in front of another one, with the faults that a real one does not produce on demand. Its own answers, where
 * there is no other store, come from `rows`: the number of common words for text, the dot product for vectors.
 */
export class FaultyStore implements SearchStore {
  rows: readonly ChunkRow[];
  readonly calls: { readonly call: StoreCall; readonly collection: string; readonly signal: AbortSignal }[] = [];
  readonly #faults = new Map<string, Fault>();

  constructor(rows: readonly ChunkRow[] = []) {
    this.rows = rows;
  }

  /** From now on this is what happens to the call, in this collection or in all. */
  set(call: StoreCall, fault: Fault | null, collection = "*"): void {
    if (fault === null) this.#faults.delete(`${call} ${collection}`);
    else this.#faults.set(`${call} ${collection}`, fault);
  }

  count(call: StoreCall): number {
    return this.calls.filter((made) => made.call === call).length;
  }

  async searchVector(index: { readonly collection: string }, vector: Float32Array, options: SearchOptions, signal: AbortSignal) {
    const fault = await this.#suffer("searchVector", index.collection, signal);
    if (fault !== null) return fault;
    return this.#best(options, (row) => (row.vector === null ? null : row.vector.reduce((sum, x, i) => sum + x * (vector[i] ?? 0), 0)));
  }

  async searchText(index: { readonly collection: string }, query: string, options: SearchOptions, signal: AbortSignal) {
    const fault = await this.#suffer("searchText", index.collection, signal);
    if (fault !== null) return fault;
    const words = new Set(query.split(" "));
    return this.#best(options, (row) => row.indexText.split(" ").filter((word) => words.has(word)).length || null);
  }

  async fetchChunks(index: { readonly collection: string }, ids: readonly string[], signal: AbortSignal): Promise<readonly StoredChunk[]> {
    await this.#suffer("fetchChunks", index.collection, signal);
    return this.rows.filter(({ id }) => ids.includes(id));
  }

  async *scan(index: { readonly collection: string }, pageRows: number, signal: AbortSignal): AsyncIterable<readonly ChunkRow[]> {
    const { rows } = this; // as of one moment
    await this.#suffer("scan", index.collection, signal);
    for (let from = 0; from < rows.length; from += pageRows) yield rows.slice(from, from + pageRows);
  }

  async #suffer(call: StoreCall, collection: string, signal: AbortSignal): Promise<readonly Candidate[] | null> {
    this.calls.push({ call, collection, signal });
    const fault = this.#faults.get(`${call} ${collection}`) ?? this.#faults.get(`${call} *`);
    switch (fault?.kind) {
      case "fail":
        throw kennelError(fault.code);
      case "throw":
        throw new Error("a driver's own words, with /a/path");
      case "hang":
        return new Promise(() => {});
      case "wait":
        await fault.until;
        return null;
      case "answer":
        return fault.candidates;
      default:
        return null;
    }
  }

  #best(options: SearchOptions, scoreOf: (row: ChunkRow) => number | null): readonly Candidate[] {
    const { filter, notBeforeMs, limit } = options;
    return this.rows
      .filter((row) => notBeforeMs === null || row.updatedAtMs >= notBeforeMs)
      .filter((row) => filter === null || matches(filter, row.attributes, row.principals))
      .map((row) => ({ row, score: scoreOf(row) }))
      .filter((found): found is { row: ChunkRow; score: number } => found.score !== null)
      .sort((a, b) => b.score - a.score || (a.row.id < b.row.id ? -1 : 1))
      .slice(0, limit)
      .map(({ row: { id, documentId, parentId }, score }) => ({ id, documentId, parentId, score }));
  }
}

/** Words that a model of four dimensions knows; the vector of a text is the unit vector of their counts. */
const KNOWN_WORDS = ["cat", "dog", "bird", "fish"];

export class FaultyModel implements CachedEmbeddingModel {
  readonly name = "four-words";
  readonly dimensions = KNOWN_WORDS.length;
  readonly maxBatch = 100;
  calls = 0;
  fault: "fail" | "hang" | null = null;
  /** Texts whose vectors a cache in front has kept. */
  readonly kept = new Set<string>();

  async embed(texts: readonly string[]): Promise<readonly (Float32Array | null)[]> {
    this.calls++;
    if (this.fault === "fail") throw kennelError("unavailable");
    if (this.fault === "hang") return new Promise(() => {});
    return texts.map(embedFourWords);
  }

  async recall(text: string): Promise<Float32Array | null> {
    return this.kept.has(text) ? embedFourWords(text) : null;
  }
}

function embedFourWords(text: string): Float32Array | null {
  const words = text.split(" ");
  const counts = KNOWN_WORDS.map((known) => words.filter((word) => word === known).length);
  const norm = Math.hypot(...counts);
  return norm === 0 ? null : Float32Array.from(counts, (count) => count / norm);
}

export function textRow(documentId: string, text: string, fields: Partial<ChunkRow> = {}): ChunkRow {
  const ordinal = fields.ordinal ?? 0;
  return {
    id: `${documentId}#${ordinal}`,
    documentId,
    ordinal,
    parentId: null,
    title: `Title of ${documentId}`,
    url: `https://example.org/${documentId}`,
    text,
    indexText: text,
    attributes: {},
    principals: [],
    vector: embedFourWords(text),
    updatedAtMs: 0,
    ...fields,
  };
}
