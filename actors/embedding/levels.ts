// Invariants:
//   L1. A level's failure, slowness or absence is a miss, never an error: the model is asked instead.
//   L2. Nobody waits for a write. At most `maxWaitingWrites` wait, one call is open; beyond them, and after a failed call,
//       what should have been written is dropped and counted. What waits while the store is away waits for its return.
//   L3. A store that is closed in health gets what still waits first, for `flushLimitMs` at most.
//   L4. What a level gives is believed when it is a unit vector of the model's length.
import { hash } from "node:crypto";
import { cancellationOf } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Service } from "../../supervisor/service.ts";
import { withinLimit } from "../../supervisor/time_limit.ts";
import type { CachedEmbeddingModel, EmbeddingModel, Purpose } from "./embedding.ts";
import type { EmbeddingStore, StoredEmbedding } from "./embedding_store.ts";

export interface EmbeddingLevelOptions {
  readonly purposes: readonly Purpose[];
  /** Longest that a look-up is waited for. */
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly maxWaitingWrites: number;
  /** For what still waits when the store is closed, all calls together. */
  readonly flushLimitMs: number;
  readonly clock: Clock;
}

export interface EmbeddingLevelStats {
  readonly hits: number;
  /** Looked for and not there, or not believed. */
  readonly misses: number;
  /** Not looked for in time, or at all. */
  readonly unanswered: number;
  readonly written: number;
  readonly droppedWrites: number;
  readonly waitingWrites: number;
}

/** Embeddings in one call of a store: 256 of 1,536 dimensions are 1.5 MB. */
const WRITE_BATCH = 256;
const UNIT_TOLERANCE = 1e-3;

/** One cache level over a supervised store. */
export class EmbeddingLevel {
  readonly #service: Service<EmbeddingStore>;
  readonly #options: EmbeddingLevelOptions;
  readonly #waiting = new Map<string, Float32Array>();
  #isWriting = false;
  #hits = 0;
  #misses = 0;
  #unanswered = 0;
  #written = 0;
  #dropped = 0;

  constructor(service: Service<EmbeddingStore>, options: EmbeddingLevelOptions) {
    this.#service = service;
    this.#options = options;
  }

  get stats(): EmbeddingLevelStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      unanswered: this.#unanswered,
      written: this.#written,
      droppedWrites: this.#dropped,
      waitingWrites: this.#waiting.size,
    };
  }

  serves(purpose: Purpose): boolean {
    return this.#options.purposes.includes(purpose);
  }

  /** One entry a key, in order; null: ask elsewhere. Rejects with the signal's cancellation only. */
  async read(keys: readonly string[], dimensions: number, signal: AbortSignal): Promise<readonly (Float32Array | null)[]> {
    if (this.#service.isAvailable) {
      try {
        const timeoutMs = this.#options.readTimeoutMs;
        const found = await this.#service.call((store, within) => store.read(keys, within), { timeoutMs, signal });
        this.#startWriting();
        return keys.map((_key, at) => this.#believed(found[at] ?? null, dimensions));
      } catch {
        if (signal.aborted) throw cancellationOf(signal);
      }
    }
    this.#unanswered += keys.length;
    return keys.map(() => null); // L1
  }

  write(entries: readonly StoredEmbedding[]): void {
    for (const { key, vector } of entries) {
      if (this.#service.isAvailable && this.#waiting.size < this.#options.maxWaitingWrites) this.#waiting.set(key, vector);
      else this.#dropped++; // L2
    }
    this.#startWriting();
  }

  /** To be called with a store that is about to be closed. Never rejects. */
  async flush(store: EmbeddingStore): Promise<void> {
    if (this.#service.breaker !== "closed") return; // it has failed: it will be opened again, or there is nothing to hope for
    const { clock, flushLimitMs } = this.#options;
    const work = async (signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        const batch = this.#take();
        if (batch.length === 0) return;
        this.#dropped += batch.length; // until it is known to be written
        await store.write(batch, signal);
        this.#dropped -= batch.length;
        this.#written += batch.length;
      }
    };
    await withinLimit(clock, flushLimitMs, `Flushing took longer than ${flushLimitMs} ms`, work).catch(() => undefined);
  }

  #startWriting(): void {
    if (!this.#isWriting && this.#waiting.size > 0) void this.#writeWaiting();
  }

  #take(): readonly StoredEmbedding[] {
    const batch = [...this.#waiting].slice(0, WRITE_BATCH).map(([key, vector]) => ({ key, vector }));
    for (const { key } of batch) this.#waiting.delete(key);
    return batch;
  }

  async #writeWaiting(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.size > 0 && this.#service.isAvailable) {
      const batch = this.#take();
      try {
        const options = { timeoutMs: this.#options.writeTimeoutMs, signal: new AbortController().signal };
        await this.#service.call((store, within) => store.write(batch, within), options);
        this.#written += batch.length;
      } catch {
        this.#dropped += batch.length;
      }
    }
    this.#isWriting = false;
  }

  #believed(vector: Float32Array | null, dimensions: number): Float32Array | null {
    const isGood = vector !== null && vector.length === dimensions && isUnit(vector); // L4
    if (isGood) this.#hits++;
    else this.#misses++;
    return isGood ? vector : null;
  }
}

/**
 * The same model with levels in front that outlive the process: what the first has is not asked of the second, what none
 * has is asked of the model and written to all, and what a later one had is written to those before it.
 * @param dimensions the length of the model's vectors; null: not known yet, so that nothing can be believed
 */
export function withLevels(
  model: EmbeddingModel,
  levels: readonly EmbeddingLevel[],
  dimensions: () => number | null,
): CachedEmbeddingModel {
  return {
    name: model.name,
    get dimensions() {
      return model.dimensions;
    },
    maxBatch: model.maxBatch,
    async embed(texts, purpose, signal) {
      const serving = levels.filter((level) => level.serves(purpose));
      const vectors = new Array<Float32Array | null>(texts.length).fill(null);
      const keys = texts.map((text) => keyOf(model.name, purpose, text));
      const length = dimensions();
      let missing = keys.map((_key, at) => at);
      for (const [depth, level] of serving.entries()) {
        if (missing.length === 0 || length === null) break;
        const found = await level.read(pick(keys, missing), length, signal);
        for (const [place, at] of missing.entries()) vectors[at] = found[place] ?? null;
        const here = missing.filter((at) => vectors[at] !== null);
        for (const earlier of serving.slice(0, depth)) earlier.write(entriesOf(keys, vectors, here));
        missing = missing.filter((at) => vectors[at] === null);
      }
      if (missing.length > 0) {
        const made = await model.embed(pick(texts, missing), purpose, signal);
        for (const [place, at] of missing.entries()) vectors[at] = made[place] ?? null;
        for (const level of serving) level.write(entriesOf(keys, vectors, missing));
      }
      return vectors;
    },
    async recall(text, purpose, signal) {
      const length = dimensions();
      if (length === null) return null;
      for (const level of levels) {
        if (!level.serves(purpose)) continue;
        const [vector] = await level.read([keyOf(model.name, purpose, text)], length, signal);
        if (vector !== null && vector !== undefined) return vector;
      }
      return null;
    },
  };
}

function keyOf(model: string, purpose: Purpose, text: string): string {
  return `${model}:${purpose}:${hash("sha256", text, "base64url")}`;
}

function pick<Value>(values: readonly Value[], places: readonly number[]): readonly Value[] {
  return places.map((at) => values[at] as Value);
}

/** A text without a vector costs nothing to find out again. */
function entriesOf(keys: readonly string[], vectors: readonly (Float32Array | null)[], places: readonly number[]): StoredEmbedding[] {
  return places.flatMap((at) => {
    const vector = vectors[at] ?? null;
    return vector === null ? [] : [{ key: keys[at] as string, vector }];
  });
}

function isUnit(vector: Float32Array): boolean {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.abs(sum - 1) <= UNIT_TOLERANCE;
}
