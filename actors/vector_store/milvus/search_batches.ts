import type { Answered } from "./rows.ts";

/** What searches have in common that can go together. */
export interface NearestRequest {
  /** As Milvus calls it. */
  readonly collection: string;
  /** The vectors that are searched, and how they are compared. */
  readonly field: string;
  readonly metric: string;
  /** Empty: every row. */
  readonly filter: string;
  readonly fields: readonly string[];
  readonly limit: number;
  /** What the index is told, such as the candidates that a graph weighs. */
  readonly params: Readonly<Record<string, number>>;
}

export interface BatchOptions {
  /** Calls at once. */
  readonly maxCalls: number;
  /** Rows of each vector, in the order of the vectors. */
  readonly send: (request: NearestRequest, vectors: readonly (readonly number[])[]) => Promise<readonly (readonly Answered[])[]>;
}

interface Waiting {
  readonly vector: readonly number[];
  readonly signal: AbortSignal;
  readonly resolve: (rows: readonly Answered[]) => void;
  readonly reject: (thrown: unknown) => void;
}

interface Batch {
  readonly request: NearestRequest;
  readonly waiting: Waiting[];
}

/** Vectors in one call; Milvus takes 16,384. */
const MAX_VECTORS = 64;

/**
 * Searches share calls when there is more to search than calls are allowed at once: of those that wait, the ones that
 * differ in nothing but their vectors go together. One that need not wait goes alone and at once. Who waits is bounded by
 * how many calls the store is given; who has left meanwhile is not asked for.
 */
export class SearchBatches {
  readonly #options: BatchOptions;
  /** By what they have in common, in the order in which their first one came. */
  readonly #batches = new Map<string, Batch>();
  #calls = 0;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  search(request: NearestRequest, vector: readonly number[], signal: AbortSignal): Promise<readonly Answered[]> {
    return new Promise((resolve, reject) => {
      const waiting = { vector, signal, resolve, reject };
      if (this.#calls < this.#options.maxCalls) this.#send({ request, waiting: [waiting] });
      else this.#wait(request, waiting);
    });
  }

  #wait(request: NearestRequest, waiting: Waiting): void {
    const key = JSON.stringify(request);
    const batch = this.#batches.get(key);
    if (batch === undefined) this.#batches.set(key, { request, waiting: [waiting] });
    else batch.waiting.push(waiting);
  }

  #send({ request, waiting }: Batch): void {
    this.#calls += 1;
    this.#options
      .send(request, waiting.map(({ vector }) => vector)) // biome-ignore format: one call
      .then(
        (answers) => waiting.forEach(({ resolve }, place) => void resolve(answers[place] ?? [])),
        (thrown) => waiting.forEach(({ reject }) => void reject(thrown)),
      )
      .finally(() => {
        this.#calls -= 1;
        this.#sendNext();
      });
  }

  #sendNext(): void {
    for (const [key, batch] of this.#batches) {
      this.#batches.delete(key);
      const present = batch.waiting.filter(({ signal }) => !signal.aborted);
      if (present.length === 0) continue;
      if (present.length > MAX_VECTORS) this.#batches.set(key, { ...batch, waiting: present.slice(MAX_VECTORS) });
      this.#send({ request: batch.request, waiting: present.slice(0, MAX_VECTORS) });
      return;
    }
  }
}
