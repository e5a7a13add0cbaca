/**
 * Who gets in. Bounds what the process does at once, and says no early: `overloaded` costs microseconds.
 *
 * Invariants:
 *   A1. At most `maxInFlight` admitted requests at any time, and at most `maxBufferedBytes` of their bodies.
 *   A2. Every admission is released exactly once.
 */
import { kennelError } from "../../runtime/errors.ts";
import type { HttpMetrics } from "./collaborators.ts";
import type { BridgeLimits } from "./limits.ts";

/** How soon a caller that was turned away may try again. */
const RETRY_AFTER_MS = 1_000;

/** `open`: takes requests. `closing`: still takes them, but each answer ends its connection. `closed`: refuses them. */
type Door = "open" | "closing" | "closed";

export class Admission {
  readonly #limits: BridgeLimits;
  readonly #metrics: HttpMetrics;
  readonly #whenEmpty: (() => void)[] = [];
  #inFlight = 0;
  #bufferedBytes = 0;
  #door: Door = "open";

  constructor(limits: BridgeLimits, metrics: HttpMetrics) {
    this.#limits = limits;
    this.#metrics = metrics;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isLeaving(): boolean {
    return this.#door !== "open";
  }

  announce(): void {
    if (this.#door === "open") this.#door = "closing";
  }

  close(): void {
    this.#door = "closed";
  }

  /** Throws `draining` or `overloaded`. */
  enter(): void {
    if (this.#door === "closed") throw kennelError("draining", { retryAfterMs: RETRY_AFTER_MS });
    if (this.#inFlight >= this.#limits.maxInFlight) {
      throw kennelError("overloaded", { message: "Node is busy: too many requests at once", retryAfterMs: RETRY_AFTER_MS });
    }
    this.#inFlight += 1;
    this.#metrics.inFlight(1);
  }

  leave(): void {
    this.#inFlight -= 1;
    this.#metrics.inFlight(-1);
    if (this.#inFlight === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** Makes room for a body before it is read. Throws `overloaded`. */
  reserve(bytes: number): void {
    if (this.#bufferedBytes + bytes > this.#limits.maxBufferedBytes) {
      throw kennelError("overloaded", { message: "Node is busy: too many bytes are being received at once", retryAfterMs: RETRY_AFTER_MS });
    }
    this.#bufferedBytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bufferedBytes -= bytes;
  }

  /** Resolves when nothing is in flight; rejects with the signal's reason. */
  whenEmpty(signal: AbortSignal): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#whenEmpty.push(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }
}
