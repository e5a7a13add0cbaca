import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { kennelError } from "../../runtime/errors.ts";
import type { CachedEmbeddingModel, EmbeddingModel, Purpose, Recall } from "./embedding.ts";

/** Each purpose has its own room, so that an ingest never pushes out the queries that people repeat. */
export interface EmbeddingCacheOptions {
  /** 0: nothing is kept. */
  readonly maxQueryBytes: number;
  /** 0: nothing is kept. */
  readonly maxDocumentBytes: number;
}

export interface EmbeddingCacheStats {
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
  readonly bytes: number;
}

/** A text without a known word has no vector, which is worth remembering, too. */
interface Entry {
  readonly vector: Float32Array | null;
}

/** What an entry costs beside its key's and its vector's bytes, about. */
const ENTRY_OVERHEAD_BYTES = 200;

/**
 * Vectors of texts seen lately, least recently used out first. One cache serves any number of models: the key holds the
 * model's name, the purpose and the text's SHA-256, so neither a model's change nor a long text can harm.
 */
export class EmbeddingCache {
  readonly #rooms: Readonly<Record<Purpose, LRUCache<string, Entry> | null>>;
  #hits = 0;
  #misses = 0;

  constructor(options: EmbeddingCacheOptions) {
    this.#rooms = { query: room(options.maxQueryBytes), document: room(options.maxDocumentBytes) };
  }

  get stats(): EmbeddingCacheStats {
    const rooms = [this.#rooms.query, this.#rooms.document];
    return {
      hits: this.#hits,
      misses: this.#misses,
      entries: rooms.reduce((sum, cache) => sum + (cache?.size ?? 0), 0),
      bytes: rooms.reduce((sum, cache) => sum + (cache?.calculatedSize ?? 0), 0),
    };
  }

  /**
   * The same model with this cache in front. The vectors it gives are shared: nobody may change them.
   * @param recall asks what is kept behind this cache
   */
  wrap(model: EmbeddingModel, recall: Recall = NOTHING_BEHIND): CachedEmbeddingModel {
    return {
      name: model.name,
      get dimensions() {
        return model.dimensions;
      },
      maxBatch: model.maxBatch,
      embed: (texts, purpose, signal) => this.#embed(model, texts, purpose, signal),
      recall: (text, purpose, signal) => this.#recall(model.name, recall, text, purpose, signal),
    };
  }

  async #recall(model: string, behind: Recall, text: string, purpose: Purpose, signal: AbortSignal): Promise<Float32Array | null> {
    const cache = this.#rooms[purpose];
    const key = keyOf(model, text);
    const known = cache?.get(key)?.vector ?? null;
    if (known !== null) {
      this.#hits++;
      return known;
    }
    const vector = await behind(text, purpose, signal);
    if (vector !== null) cache?.set(key, { vector });
    return vector;
  }

  async #embed(
    model: EmbeddingModel,
    texts: readonly string[],
    purpose: Purpose,
    signal: AbortSignal,
  ): Promise<readonly (Float32Array | null)[]> {
    if (signal.aborted) throw kennelError("cancelled", { cause: signal.reason });
    const cache = this.#rooms[purpose];
    if (cache === null) return model.embed(texts, purpose, signal);
    const keys = texts.map((text) => keyOf(model.name, text));
    const found = new Map<string, Float32Array | null>();
    const missing = new Map<string, string>();
    for (const [at, key] of keys.entries()) {
      const entry = cache.get(key);
      if (entry === undefined) missing.set(key, texts[at] as string);
      else found.set(key, entry.vector);
    }
    this.#misses += missing.size;
    this.#hits += texts.length - missing.size;
    if (missing.size > 0) {
      const vectors = await model.embed([...missing.values()], purpose, signal);
      for (const [at, key] of [...missing.keys()].entries()) {
        const vector = vectors[at] ?? null;
        cache.set(key, { vector });
        found.set(key, vector);
      }
    }
    return keys.map((key) => found.get(key) ?? null);
  }
}

const NOTHING_BEHIND: Recall = async () => null;

function keyOf(model: string, text: string): string {
  return `${model}\n${hash("sha256", text, "base64")}`;
}

function room(maxBytes: number): LRUCache<string, Entry> | null {
  if (maxBytes <= 0) return null;
  const sizeCalculation = ({ vector }: Entry, key: string) => (vector?.byteLength ?? 0) + key.length + ENTRY_OVERHEAD_BYTES;
  return new LRUCache<string, Entry>({ maxSize: maxBytes, sizeCalculation });
}
