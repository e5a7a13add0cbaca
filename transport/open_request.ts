import { cancellationOf } from "../runtime/cancellation.ts";
import type { Clock } from "../runtime/clock.ts";
import { type KennelError, kennelError } from "../runtime/errors.ts";

/** A request whose caller waits: settled once, by whatever comes first (T1 and T2 of local.ts). */
export class OpenRequest {
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignal;
  readonly #onCancel: () => void;
  readonly #deadline: { cancel(): void };
  readonly #reject: (error: KennelError) => void;
  readonly #onSettled: () => void;
  #isSettled = false;

  constructor(clock: Clock, timeoutMs: number, callerSignal: AbortSignal, reject: (error: KennelError) => void, onSettled: () => void) {
    this.#reject = reject;
    this.#onSettled = onSettled;
    this.#callerSignal = callerSignal;
    this.#onCancel = () => this.fail(cancellationOf(callerSignal));
    callerSignal.addEventListener("abort", this.#onCancel, { once: true });
    this.#deadline = clock.setTimer(timeoutMs, () => this.fail(kennelError("deadline_exceeded")));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** True for the first call only (T1). */
  settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#deadline.cancel();
    this.#callerSignal.removeEventListener("abort", this.#onCancel);
    this.#onSettled();
    return true;
  }

  fail(error: KennelError): void {
    if (!this.settle()) return;
    this.#controller.abort(error); // T2
    this.#reject(error);
  }
}
