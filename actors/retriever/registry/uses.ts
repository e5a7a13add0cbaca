import type { Clock, Timer } from "../../../runtime/clock.ts";
import { type KennelError, toKennelError } from "../../../runtime/errors.ts";
import type { DocumentStore } from "../../document_store/document_store.ts";

export interface UseOptions {
  /** Collections whose use is remembered between two flushes. */
  readonly maxCollections: number;
  readonly flushIntervalMs: number;
  readonly flushLimitMs: number;
}

/**
 * Which collections are asked, for warming after a restart. Notes are collected in memory and written together now and
 * then; what a crash or an outage loses of them costs a cold start and nothing else.
 */
export class Uses {
  readonly #clock: Clock;
  readonly #store: Pick<DocumentStore, "noteUse">;
  readonly #options: UseOptions;
  readonly #onDropped: () => void;
  readonly #onFailed: (error: KennelError) => void;
  #noted = new Map<string, { collection: string; atMs: number; count: number }>();
  #timer: Timer | null = null;
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    clock: Clock,
    store: Pick<DocumentStore, "noteUse">,
    options: UseOptions,
    hear: { readonly dropped: () => void; readonly failed: (error: KennelError) => void },
  ) {
    this.#clock = clock;
    this.#store = store;
    this.#options = options;
    this.#onDropped = hear.dropped;
    this.#onFailed = hear.failed;
  }

  note(collection: string): void {
    const known = this.#noted.get(collection);
    if (known !== undefined) {
      known.count++;
      known.atMs = this.#clock.wallMs();
    } else if (this.#noted.size >= this.#options.maxCollections) {
      this.#onDropped();
    } else {
      this.#noted.set(collection, { collection, atMs: this.#clock.wallMs(), count: 1 });
    }
    this.#timer ??= this.#clock.setTimer(this.#options.flushIntervalMs, () => void this.flush());
  }

  forget(collection: string): void {
    this.#noted.delete(collection);
  }

  /** Writes what has been noted. Never rejects; one flush at a time. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#flushing = this.#flushing.then(() => this.#flush());
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const uses = [...this.#noted.values()];
    if (uses.length === 0) return;
    this.#noted = new Map();
    const limit = new AbortController();
    const timer = this.#clock.setTimer(this.#options.flushLimitMs, () => limit.abort());
    try {
      await this.#store.noteUse(uses, limit.signal);
    } catch (thrown) {
      this.#onFailed(toKennelError(thrown));
    } finally {
      timer.cancel();
    }
  }
}
