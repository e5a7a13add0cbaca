/** One value at a time from a writer to a reader; the writer goes on when its value has been taken. */
export class Handoff<Value extends object> {
  #offer: { readonly value: Value; readonly taken: () => void } | null = null;
  #wanted: ((value: Value | null | Promise<never>) => void) | null = null;
  #end: { readonly error: unknown } | null = null;
  #hasLeft = false;

  /** Resolves when the value was taken, or nobody will take it any more. */
  give(value: Value): Promise<void> {
    if (this.#hasLeft) return Promise.resolve();
    const want = this.#wanted;
    if (want !== null) {
      this.#wanted = null;
      want(value);
      return Promise.resolve();
    }
    return new Promise((taken) => {
      this.#offer = { value, taken };
    });
  }

  /** The next value; null after the last. Rejects with what the writer ended with. */
  take(): Promise<Value | null> {
    const offer = this.#offer;
    if (offer !== null) {
      this.#offer = null;
      offer.taken();
      return Promise.resolve(offer.value);
    }
    if (this.#end !== null) return this.#end.error === null ? Promise.resolve(null) : Promise.reject(this.#end.error);
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  /** @param error what `take` rejects with; null: it was all */
  end(error: unknown): void {
    this.#end = { error };
    const want = this.#wanted;
    this.#wanted = null;
    want?.(error === null ? null : Promise.reject(error));
  }

  /** The reader wants nothing more. */
  leave(): void {
    this.#hasLeft = true;
    this.#offer?.taken();
    this.#offer = null;
  }
}

/**
 * What `write` gives, one value at a time, to whoever reads. Leaving the loop early, and the signal, abort what `write` was
 * given; it has ended before the loop has. Throws what `write` rejects with.
 */
export async function* handOver<Value extends object>(
  write: (values: Handoff<Value>, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<Value> {
  const leaving = new AbortController();
  const values = new Handoff<Value>();
  const writing = write(values, AbortSignal.any([signal, leaving.signal])).then(
    () => values.end(null),
    (error: unknown) => values.end(error),
  );
  try {
    for (let value = await values.take(); value !== null; value = await values.take()) yield value;
  } finally {
    leaving.abort();
    values.leave();
    await writing;
  }
}
