// Invariants:
//   B1. A text that waits or is being embedded is embedded once, however many callers want it.
//   B2. A caller's cancellation settles that caller alone; a call is aborted when nobody waits for any of its texts.
//   B3. At most `maxWaitingTexts` texts wait and `maxConcurrentCalls` calls are open; beyond the first, a caller is refused.
import type { Clock, Timer } from "../../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { EmbeddingModel, Purpose } from "./embedding.ts";

export interface BatchingOptions {
  /**
   * How long the first text of a batch waits for company. 0: until the callers of this moment have spoken (a microtask,
   * no timer), which is right for a model in the process.
   */
  readonly windowMs: number;
  readonly maxWaitingTexts: number;
  readonly maxConcurrentCalls: number;
  readonly clock: Clock;
}

/** One text on its way; shared by all callers who want it. */
interface Item {
  readonly text: string;
  readonly vector: Promise<Float32Array | null>;
  readonly resolve: (vector: Float32Array | null) => void;
  readonly reject: (error: KennelError) => void;
  callers: number;
  call: AbortController | null;
}

/** One bad text in a batch of 2,048 is found with 11; a model that refuses everything must not cost a call for each text. */
const MAX_REFUSALS = 64;

/** Joins the embeddings that concurrent callers ask for into calls of up to `model.maxBatch` texts. */
export function batchEmbeddings(model: EmbeddingModel, options: BatchingOptions): EmbeddingModel {
  const batchers = { query: new Batcher(model, "query", options), document: new Batcher(model, "document", options) };
  return {
    name: model.name,
    get dimensions() {
      return model.dimensions;
    },
    maxBatch: model.maxBatch,
    embed: (texts, purpose, signal) => batchers[purpose].embed(texts, signal),
  };
}

class Batcher {
  readonly #model: EmbeddingModel;
  readonly #purpose: Purpose;
  readonly #options: BatchingOptions;
  /** Waiting and in a call, by text. */
  readonly #items = new Map<string, Item>();
  /** In the order they came. */
  readonly #waiting = new Set<Item>();
  #calls = 0;
  #timer: Timer | null = null;
  #isFlushQueued = false;
  /** What waits has waited long enough, and goes as soon as a call may be opened. */
  #isDue = false;

  constructor(model: EmbeddingModel, purpose: Purpose, options: BatchingOptions) {
    this.#model = model;
    this.#purpose = purpose;
    this.#options = options;
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<readonly (Float32Array | null)[]> {
    if (signal.aborted) throw kennelError("cancelled", { cause: signal.reason });
    if (texts.length === 0) return [];
    const items = this.#join(texts);
    this.#schedule();
    let leave = (): void => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(kennelError("cancelled", { cause: signal.reason }));
    });
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([Promise.all(items.map((item) => item.vector)), left]);
    } finally {
      signal.removeEventListener("abort", leave);
      for (const item of items) this.#release(item);
    }
  }

  #join(texts: readonly string[]): readonly Item[] {
    const fresh = new Set(texts.filter((text) => !this.#items.has(text)));
    if (this.#waiting.size + fresh.size > this.#options.maxWaitingTexts) {
      throw kennelError("overloaded", {
        message: `Embedding is busy: ${this.#waiting.size} texts wait, at most ${this.#options.maxWaitingTexts} may`,
        retryAfterMs: 1000,
      });
    }
    return texts.map((text) => {
      const item = this.#items.get(text) ?? this.#add(text);
      item.callers++;
      return item;
    });
  }

  #add(text: string): Item {
    const { promise, resolve, reject } = Promise.withResolvers<Float32Array | null>();
    // Every caller may have left before the call fails; then nobody listens, and that is no fault.
    promise.catch(() => undefined);
    const item: Item = { text, vector: promise, resolve, reject, callers: 0, call: null };
    this.#items.set(text, item);
    this.#waiting.add(item);
    return item;
  }

  /** B2: what nobody wants any more is not embedded, or its call's other texts decide. */
  #release(item: Item): void {
    item.callers--;
    if (item.callers > 0 || this.#items.get(item.text) !== item) return;
    if (item.call === null) {
      this.#forget(item);
      return;
    }
    for (const other of this.#items.values()) {
      if (other.call === item.call && other.callers > 0) return;
    }
    for (const other of [...this.#items.values()]) {
      // A newcomer must not join a call that is being aborted.
      if (other.call === item.call) this.#items.delete(other.text);
    }
    item.call.abort();
  }

  #forget(item: Item): void {
    this.#waiting.delete(item);
    if (this.#items.get(item.text) === item) this.#items.delete(item.text);
  }

  #schedule(): void {
    const { windowMs, clock } = this.#options;
    if (windowMs > 0 && this.#timer === null && !this.#isDue && this.#waiting.size > 0) {
      this.#timer = clock.setTimer(windowMs, () => {
        this.#timer = null;
        this.#isDue = true;
        this.#flush();
      });
    }
    if (this.#isFlushQueued || (windowMs > 0 && this.#waiting.size < this.#model.maxBatch)) return;
    this.#isFlushQueued = true;
    queueMicrotask(() => {
      this.#isFlushQueued = false;
      if (windowMs === 0) this.#isDue = true;
      this.#flush();
    });
  }

  /** Full batches go at once, the rest when it is due; as far as calls may be open. */
  #flush(): void {
    const isReady = () => this.#waiting.size >= (this.#isDue ? 1 : this.#model.maxBatch);
    while (isReady() && this.#calls < this.#options.maxConcurrentCalls) {
      const batch = [...this.#waiting].slice(0, this.#model.maxBatch);
      const call = new AbortController();
      for (const item of batch) {
        this.#waiting.delete(item);
        item.call = call;
      }
      this.#calls++;
      void this.#send(batch, call.signal).then(() => {
        this.#calls--;
        this.#flush();
      });
    }
    if (this.#waiting.size > 0) return;
    this.#isDue = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /**
   * Settles every item of the batch; never rejects.
   * @param refusals how often the model may refuse a part of this batch before the rest is taken for refused, too
   */
  async #send(batch: readonly Item[], signal: AbortSignal, refusals = { left: MAX_REFUSALS }): Promise<void> {
    try {
      const texts = batch.map((item) => item.text);
      const vectors = await this.#model.embed(texts, this.#purpose, signal);
      for (const [at, item] of batch.entries()) item.resolve(vectors[at] ?? null);
    } catch (thrown) {
      const error = toKennelError(thrown);
      if (error.code === "invalid_request" && batch.length > 1 && refusals.left-- > 0) {
        // One text that the model refuses must not fail the others: halve until it stands alone.
        const middle = batch.length >> 1;
        await this.#send(batch.slice(0, middle), signal, refusals);
        await this.#send(batch.slice(middle), signal, refusals);
        return;
      }
      for (const item of batch) item.reject(error);
    }
    for (const item of batch) this.#forget(item);
  }
}
