import { KennelError, kennelError } from "./errors.ts";

/** Why a signal has aborted, as callers see it: one of our own errors (a deadline) as it is, anything else as `cancelled`. */
export function cancellationOf(signal: AbortSignal): KennelError {
  return signal.reason instanceof KennelError ? signal.reason : kennelError("cancelled", { cause: signal.reason });
}
