import { APIConnectionError, APIError, APIUserAbortError } from "openai";
import { type KennelError, kennelError, KennelError as OwnError } from "../../runtime/errors.ts";

/** What a failed attempt means for the next one. */
export interface ProviderFailure {
  /**
   * `refused`: the request is at fault, every deployment would say so. `settings`: key, model or address are wrong here,
   * which no repetition mends. `passing`: the deployment is busy, away, or answered nonsense.
   */
  readonly kind: "refused" | "settings" | "passing";
  readonly error: KennelError;
  /** What the provider asked for. */
  readonly retryAfterMs: number | null;
  /** The provider itself says that it gets too much at once. */
  readonly isBusy: boolean;
}

const REFUSED = [400, 413, 422];
const SETTINGS: Readonly<Record<number, string>> = {
  401: "does not take the key",
  403: "does not allow it",
  404: "does not know the model or deployment",
};
const MAX_QUOTED = 300;

/** Reads an attempt's failure. What the provider says about a request is passed on; addresses and keys are not. */
export function readFailure(thrown: unknown, model: string): ProviderFailure {
  if (thrown instanceof OwnError) {
    const kind = thrown.code === "invalid_request" ? "refused" : "passing";
    return { kind, error: thrown, retryAfterMs: thrown.retryAfterMs, isBusy: false };
  }
  if (!(thrown instanceof APIError) || thrown instanceof APIConnectionError || thrown instanceof APIUserAbortError) {
    const what = thrown instanceof APIConnectionError ? "cannot be reached" : "gave an answer that cannot be read";
    return passing(kennelError("unavailable", { message: `The provider of ${model} ${what}`, cause: thrown }));
  }
  const status = thrown.status ?? 0;
  if (REFUSED.includes(status)) {
    const message = `The provider refused this for ${model} (${status}): ${quote(thrown)}`;
    return { kind: "refused", error: kennelError("invalid_request", { message, cause: thrown }), retryAfterMs: null, isBusy: false };
  }
  if (SETTINGS[status] !== undefined || thrown.code === "insufficient_quota") {
    const message = `The provider of ${model} ${SETTINGS[status] ?? "says that the quota is used up"}`;
    return { kind: "settings", error: kennelError("unavailable", { message, cause: thrown }), retryAfterMs: null, isBusy: false };
  }
  const retryAfterMs = readRetryAfter(thrown.headers ?? null);
  const hint = retryAfterMs === null ? {} : { retryAfterMs };
  if (status === 429) {
    const error = kennelError("overloaded", { message: `The provider of ${model} is busy`, ...hint, cause: thrown });
    return { ...passing(error), isBusy: true };
  }
  return passing(kennelError("unavailable", { message: `The provider of ${model} failed (${status})`, ...hint, cause: thrown }));
}

function passing(error: KennelError): ProviderFailure {
  return { kind: "passing", error, retryAfterMs: error.retryAfterMs, isBusy: false };
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date. Null: it says nothing that can be read. */
function readRetryAfter(headers: Headers | null): number | null {
  const exact = Number.parseFloat(headers?.get("retry-after-ms") ?? "");
  if (exact >= 0) return exact;
  const text = headers?.get("retry-after") ?? "";
  const seconds = Number.parseFloat(text);
  if (seconds >= 0) return seconds * 1_000;
  const date = headers?.get("date") ?? null;
  const until = Date.parse(text);
  // Both by the provider's clock, which need not be ours.
  return date !== null && Number.isFinite(until - Date.parse(date)) ? Math.max(0, until - Date.parse(date)) : null;
}

/** A provider may repeat a key in its message ("Incorrect API key provided: sk-..."). */
function quote({ message }: APIError): string {
  return message
    .replace(/^\d+ /, "")
    .replaceAll(/\b(sk|key|Bearer)[-_ ][\w*.-]{6,}/g, "[masked]")
    .slice(0, MAX_QUOTED);
}
