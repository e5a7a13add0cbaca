import { KennelError, kennelError } from "./errors.ts";

/** Why a signal has aborted, as callers see it: one of our own errors (a deadline) as it is, anything else as `cancelled`. */
export function cancellationOf(signal: AbortSignal): KennelError {
  return signal.reason instanceof KennelError ? signal.reason : kennelError("cancelled", { cause: signal.reason });
}

/** Settles as `promise` does, or rejects when the signal aborts first; the promise's own outcome is then ignored. */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(cancellationOf(signal));
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
