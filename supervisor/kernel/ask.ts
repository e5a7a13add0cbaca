import { cancellationOf } from "../../runtime/cancellation.ts";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { Span } from "../../telemetry/tracing.ts";
import type { Lane, PendingAsk } from "./behavior.ts";
import type { Deadline } from "./deadlines.ts";

// Invariants:
//   A1. An ask is settled once; whoever comes later gets `false`.
//   A2. A settled ask has left the deadlines and its asker's signal.
//   A3. An ask holds one slot of its incarnation from being taken until it is settled and the work piped for it has ended.

/** A message in a lane. */
export class Envelope {
  readonly message: unknown;
  readonly enqueuedMs: number;

  constructor(message: unknown, enqueuedMs: number) {
    this.message = message;
    this.enqueuedMs = enqueuedMs;
  }
}

/** Who settled an ask: its behaviour, time, its asker, or the end of the actor that should have answered. */
export type Settler = "behavior" | "deadline" | "asker" | "stop";

/** The actor behind an ask, as the ask sees it. */
export interface AskTarget {
  readonly path: string;
  askSettled(ask: Ask, settler: Settler, error: KennelError | null): void;
}

/** The incarnation that took an ask, as the ask sees it. */
export interface AskHolder {
  releaseAsk(ask: Ask): void;
}

export interface AskParts {
  readonly message: unknown;
  readonly enqueuedMs: number;
  readonly deadlineMs: number;
  readonly lane: Lane;
  readonly target: AskTarget;
  /** The actor that asks, and the ask it is serving with that: the chain in which a cycle would show. */
  readonly asker: AskTarget | null;
  readonly cause: Ask | null;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export class Ask extends Envelope implements PendingAsk, Deadline {
  readonly deadlineMs: number;
  readonly lane: Lane;
  readonly target: AskTarget;
  readonly asker: AskTarget | null;
  readonly cause: Ask | null;
  heapIndex = -1;
  isSettled = false;
  /** Piped work that runs for this ask. */
  pipes = 0;
  /** When it was taken from its lane, and when piped work was first started for it, on the monotonic clock; null: not yet. */
  takenMs: number | null = null;
  pipedMs: number | null = null;
  /** The incarnation that took it; null while it waits in its lane. */
  holder: AskHolder | null = null;
  /** From being sent to being settled, and from being taken; null: it is not traced. */
  span: Span | null = null;
  handling: Span | null = null;
  readonly #resolve: (value: never) => void;
  readonly #reject: (error: unknown) => void;
  /** Made when someone reads `signal`; most asks never need one. */
  #controller: AbortController | null = null;
  #abortReason: KennelError | null = null;
  #askerSignal: AbortSignal | null = null;
  #onAskerAbort: (() => void) | null = null;

  constructor(parts: AskParts) {
    super(parts.message, parts.enqueuedMs);
    this.deadlineMs = parts.deadlineMs;
    this.lane = parts.lane;
    this.target = parts.target;
    this.asker = parts.asker;
    this.cause = parts.cause;
    this.#resolve = parts.resolve;
    this.#reject = parts.reject;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#abortReason !== null) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  reply(value: unknown): boolean {
    if (!this.#settle("behavior", null)) return false;
    this.#resolve(value as never);
    return true;
  }

  fail(error: KennelError): boolean {
    if (!this.#settle("behavior", error)) return false;
    this.#reject(error);
    return true;
  }

  expire(): void {
    this.end("deadline", kennelError("deadline_exceeded"));
  }

  /** Settles the ask from outside of its behaviour and tells the work that was started for it. */
  end(settler: Settler, error: KennelError): boolean {
    const wasOpen = this.#settle(settler, error);
    this.abort(error);
    if (wasOpen) this.#reject(error);
    return wasOpen;
  }

  /** Reaches the work of an ask, also of one that is answered already. */
  abort(reason: KennelError): void {
    if (this.#abortReason !== null) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  endSpans(error: KennelError | null): void {
    this.handling?.end(error);
    this.span?.end(error);
  }

  cancelWith(signal: AbortSignal): void {
    this.#askerSignal = signal;
    this.#onAskerAbort = () => {
      const reason = cancellationOf(signal);
      // An asker whose own deadline has passed did not change its mind: the target was too slow for it.
      if (reason.code === "deadline_exceeded") this.end("deadline", reason);
      else this.end("asker", kennelError("cancelled", { cause: signal.reason }));
    };
    signal.addEventListener("abort", this.#onAskerAbort, { once: true });
  }

  /** Whether its target waits for this very ask: as the asker, or as one for whose ask the asker is at work. */
  isMadeInCircle(): boolean {
    for (let link: Ask | null = this; link !== null && !link.isSettled; link = link.cause) {
      if (link.asker === this.target) return true;
    }
    return false;
  }

  #settle(settler: Settler, error: KennelError | null): boolean {
    if (this.isSettled) return false; // A1
    this.isSettled = true;
    if (this.#askerSignal !== null && this.#onAskerAbort !== null) this.#askerSignal.removeEventListener("abort", this.#onAskerAbort); // A2
    this.target.askSettled(this, settler, error);
    if (this.pipes === 0) this.holder?.releaseAsk(this); // A3
    return true;
  }
}
