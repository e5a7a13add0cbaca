import type { StatusNode } from "./child.ts";

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** An external resource (a store, a model, a cache) owned by a supervised actor: its pool, health, reconnects and breaker. */
export interface Service<Resource> {
  readonly name: string;
  /** False while its breaker is open or half open: a call would be refused at once. */
  readonly isAvailable: boolean;
  readonly breaker: StatusNode["breaker"];
  /**
   * Runs `work` on the resource, within the actor's bounds. Rejects with what `work` threw as a `KennelError`, or with
   * `unavailable` (at once, with `retryAfterMs`, while suspended), `overloaded`, `deadline_exceeded`, `cancelled`.
   */
  call<Result>(work: (resource: Resource, signal: AbortSignal) => Promise<Result>, options: CallOptions): Promise<Result>;
  whenReady(signal: AbortSignal): Promise<void>;
}
