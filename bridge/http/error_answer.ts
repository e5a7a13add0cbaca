import { ERROR_TABLE, type KennelError } from "../../runtime/errors.ts";
import { fromError } from "../schema/errors.ts";
import { type Answer, json } from "./answer.ts";

/** When a retry makes sense and nobody could say when. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

export function errorAnswer(error: KennelError, headers: Readonly<Record<string, string>> = {}): Answer {
  const row = ERROR_TABLE[error.code];
  if (error.code === "unauthorized") return json(row.http, fromError(error), { "www-authenticate": "Bearer", ...headers });
  return json(row.http, fromError(error), row.retryable ? { ...retryAfter(error), ...headers } : headers);
}

/** Both as HTTP has it, in whole seconds, and as the `openai` client reads it first, in milliseconds. */
function retryAfter(error: KennelError): Record<string, string> {
  const delayMs = Math.max(0, Math.ceil(error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS));
  return { "retry-after": String(Math.max(1, Math.ceil(delayMs / 1_000))), "retry-after-ms": String(delayMs) };
}
