import type { Clock } from "../../../runtime/clock.ts";
import { isVisible, type VisibleFilter } from "../../vector_store/filter.ts";
import type { Candidate, IndexName, LexicalIndex, SearchOptions, StoredChunk, VectorStore } from "../../vector_store/vector_store.ts";
import type { IndexCandidate } from "../fusion/ranked.ts";
import { ByteCache } from "./byte_cache.ts";
import type { CalledIndex, MaybePromise } from "./index.ts";
import { type ReadyPassage, readyPassage } from "./passage.ts";

export interface StoreIndexOptions {
  readonly name: IndexName;
  readonly store: Pick<VectorStore, "searchVector" | "fetchChunks">;
  readonly lexical: LexicalIndex;
  /** Components of the collection's vectors. */
  readonly dimensions: number;
  readonly indexVersion: number;
  /** Room for passages that were answers before; 0: each is fetched anew. */
  readonly maxPassageBytes: number;
  /** Where rows are changed without anybody saying so, passages are kept this long at most. */
  readonly passagesOfOthers?: { readonly maxAgeMs: number; readonly clock: Pick<Clock, "monotonicMs"> };
}

/** With who may see it: it may be read again after its document was given to others. */
interface KeptPassage extends ReadyPassage {
  readonly principals: readonly string[];
}

/**
 * The index as the stores hold it: every search is a call. What a write has changed is found by the next search, so taking
 * in a new index version means forgetting the passages of the old one.
 */
export class StoreIndex implements CalledIndex {
  readonly kind = "store";
  readonly #options: StoreIndexOptions;
  readonly #passages: ByteCache<KeptPassage>;
  #indexVersion: number;
  #clearedMs = 0;

  constructor(options: StoreIndexOptions) {
    this.#options = options;
    this.#indexVersion = options.indexVersion;
    this.#passages = new ByteCache(options.maxPassageBytes, ({ bytes }) => bytes.length);
  }

  get indexVersion(): number {
    return this.#indexVersion;
  }

  get bytes(): number {
    return this.#passages.bytes;
  }

  async warm(signal: AbortSignal): Promise<void> {
    const axis = new Float32Array(this.#options.dimensions);
    axis[0] = 1;
    const found = await this.searchVector(axis, { limit: 1, needed: null, filter: null, notBeforeMs: null }, signal);
    await this.passages(found, signal);
  }

  async searchVector(vector: Float32Array, options: SearchOptions, signal: AbortSignal): Promise<readonly IndexCandidate[]> {
    const { store, name } = this.#options;
    this.#dropOld();
    const { generation } = this.#passages;
    const found = await store.searchVector(name, vector, options, signal);
    for (const candidate of found) {
      const isNew = "chunk" in candidate && this.#passages.get(candidate.id) === undefined;
      if (isNew) this.#passages.put(candidate.id, kept(candidate.chunk), generation);
    }
    return keyed(found);
  }

  async searchText(query: string, options: SearchOptions, signal: AbortSignal): Promise<readonly IndexCandidate[]> {
    const { lexical, name } = this.#options;
    return keyed(await lexical.searchText(name, query, options, signal));
  }

  passages(
    candidates: readonly IndexCandidate[],
    signal: AbortSignal,
    visible: VisibleFilter | null = null,
  ): MaybePromise<readonly (ReadyPassage | null)[]> {
    this.#dropOld();
    const known = candidates.map(({ id }) => this.#passages.get(id) ?? null);
    const lacking = candidates.filter((_candidate, position) => known[position] === null).map(({ id }) => id);
    if (lacking.length === 0) return shown(known, visible);
    return this.#fetch(candidates, known, lacking, signal).then((passages) => shown(passages, visible));
  }

  refresh(indexVersion: number): void {
    if (indexVersion <= this.#indexVersion) return;
    this.#indexVersion = indexVersion;
    this.#passages.clear();
  }

  async close(): Promise<void> {
    this.#passages.clear();
  }

  #dropOld(): void {
    const { passagesOfOthers } = this.#options;
    if (passagesOfOthers === undefined) return;
    const nowMs = passagesOfOthers.clock.monotonicMs();
    if (nowMs - this.#clearedMs < passagesOfOthers.maxAgeMs) return;
    this.#clearedMs = nowMs;
    this.#passages.clear();
  }

  async #fetch(
    candidates: readonly IndexCandidate[],
    known: readonly (KeptPassage | null)[],
    lacking: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly (KeptPassage | null)[]> {
    const { generation } = this.#passages;
    const fetched = new Map<string, KeptPassage>();
    for (const chunk of await this.#options.store.fetchChunks(this.#options.name, lacking, signal)) {
      const passage = kept(chunk);
      fetched.set(chunk.id, passage);
      this.#passages.put(chunk.id, passage, generation);
    }
    return candidates.map(({ id }, position) => known[position] ?? fetched.get(id) ?? null);
  }
}

function kept(chunk: StoredChunk): KeptPassage {
  return { ...readyPassage(chunk), principals: chunk.principals };
}

function shown(passages: readonly (KeptPassage | null)[], visible: VisibleFilter | null): readonly (ReadyPassage | null)[] {
  if (visible === null) return passages;
  return passages.map((passage) => (passage !== null && isVisible(visible, passage.principals) ? passage : null));
}

/** A store's id is the key; one that gives none is caught where lists are cleaned. */
function keyed(candidates: readonly Candidate[]): readonly IndexCandidate[] {
  return candidates.map(({ id, documentId, parentId, score }) => ({
    key: typeof id === "string" ? id : "",
    id,
    documentId,
    parentId,
    score,
  }));
}
