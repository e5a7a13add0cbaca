import { type KennelError, kennelError } from "../../runtime/errors.ts";

/** Chunks that have come and were not read yet; NATS does not hold up a writer for a slow reader, so there is a bound. */
export class ChunkQueue {
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended: KennelError | "end" | null = null;
  #wake: (() => void) | null = null;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False: there is no room, and the queue has ended with `overloaded`. */
  push(chunk: Uint8Array): boolean {
    if (this.#ended !== null) return true;
    if (this.#bytes + chunk.length > this.#maxBytes) {
      this.end(kennelError("overloaded", { message: "An answer came faster than it was read" }));
      return false;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#wake?.();
    return true;
  }

  /** What has come before is still read, except where an error ends it. False: it had ended before. */
  end(reason: KennelError | "end"): boolean {
    if (this.#ended !== null) return false;
    this.#ended = reason;
    this.#wake?.();
    return true;
  }

  /** Resolves with null at the end; rejects with the error that ended it. One call at a time. */
  async next(): Promise<Uint8Array | null> {
    while (this.#chunks.length === 0 && this.#ended === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#bytes -= chunk.length;
      return chunk;
    }
    if (this.#ended === "end") return null;
    throw this.#ended;
  }
}
