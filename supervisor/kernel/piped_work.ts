import { kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Ask } from "./ask.ts";
import type { Outcome } from "./behavior.ts";
import type { ActorLimits } from "./limits.ts";
import { RingQueue } from "./ring_queue.ts";

// Invariants:
//   P1. Work for an ask shares the slot of its ask; other work has one of its own, and waits for it when none is free.
//   P2. At most `controlCapacity` pieces of work wait for a slot; one more comes back at once as `overloaded`.
//   P3. Every piece of work brings one outcome, or none when its incarnation has ended.

export interface Piece {
  readonly work: (signal: AbortSignal) => Promise<unknown>;
  readonly toMessage: (outcome: Outcome<unknown>) => unknown;
  readonly ask: Ask | null;
  readonly signal: AbortSignal;
}

/** The incarnation that pipes, as its work sees it. */
export interface PipeOwner {
  readonly hasRoom: boolean;
  readonly hasEnded: boolean;
  acquireSlot(): void;
  releaseSlot(): void;
  releaseAsk(ask: Ask): void;
  onBehalfOf<Result>(ask: Ask | null, body: () => Result): Result;
  deliver(): void;
  crash(error: unknown): void;
}

/** Pipe to self: the work that an incarnation started outside of its handler. */
export class PipedWork {
  /** Messages made of outcomes, to be handled before anything else. */
  readonly outcomes = new RingQueue<{ readonly message: unknown; readonly ask: Ask | null }>();
  readonly #owner: PipeOwner;
  readonly #limits: ActorLimits;
  readonly #waiting = new RingQueue<Piece>();

  constructor(owner: PipeOwner, limits: ActorLimits) {
    this.#owner = owner;
    this.#limits = limits;
  }

  start(piece: Piece): void {
    if (piece.ask !== null) {
      piece.ask.pipes++; // P1
      this.#run(piece);
    } else if (this.#owner.hasRoom) {
      this.#owner.acquireSlot();
      this.#run(piece);
    } else if (this.#waiting.length < this.#limits.controlCapacity) {
      this.#waiting.push(piece);
    } else {
      this.#bring(piece, { ok: false, error: kennelError("overloaded", { message: "Too much work waits in this actor" }) }); // P2
    }
  }

  /** A slot came free: work that waits for one goes before work in the mailbox. */
  startWaiting(): void {
    while (this.#waiting.length > 0 && this.#owner.hasRoom) {
      this.#owner.acquireSlot();
      this.#run(this.#waiting.shift() as Piece);
    }
  }

  clear(): void {
    while (this.#waiting.shift() !== undefined);
    while (this.outcomes.shift() !== undefined);
  }

  #run(piece: Piece): void {
    let running: Promise<unknown>;
    try {
      running = this.#owner.onBehalfOf(piece.ask, () => piece.work(piece.signal));
    } catch (error) {
      running = Promise.reject(error);
    }
    running.then(
      (value) => this.#finish(piece, { ok: true, value }),
      (error: unknown) => this.#finish(piece, { ok: false, error: toKennelError(error) }),
    );
  }

  #finish(piece: Piece, outcome: Outcome<unknown>): void {
    if (!this.#owner.hasEnded) this.#bring(piece, outcome); // P3
    if (piece.ask === null) this.#owner.releaseSlot();
    else if (--piece.ask.pipes === 0 && piece.ask.isSettled) this.#owner.releaseAsk(piece.ask);
  }

  #bring(piece: Piece, outcome: Outcome<unknown>): void {
    try {
      this.outcomes.push({ message: piece.toMessage(outcome), ask: piece.ask });
    } catch (error) {
      this.#owner.crash(error);
    }
    this.#owner.deliver();
  }
}
