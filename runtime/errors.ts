/**
 * Every failure a caller can see, in one table: HTTP and NATS interfaces, the OpenAPI document and the
 * README read it, and a test fails when they drift.
 */

interface ErrorKind {
  /** Status of the HTTP answer. */
  readonly http: number;
  /** Value of the `Nats-Service-Error-Code` header. */
  readonly nats: number;
  /** Whether the same request may succeed when it is sent again. */
  readonly retryable: boolean;
  /** `error.type` in OpenAI's error shape. */
  readonly type: string;
  /** What the caller reads when the thrower gave no message. */
  readonly say: string;
}

const invalid = "invalid_request_error";
const server = "server_error";

// biome-ignore format: a table reads best as one
export const ERROR_TABLE = {
  invalid_request:        { http: 400, nats: 400, retryable: false, type: invalid, say: "Request is not valid" },
  unauthorized:           { http: 401, nats: 401, retryable: false, type: "authentication_error", say: "No valid key was given" },
  forbidden:              { http: 403, nats: 403, retryable: false, type: "permission_error", say: "The key does not allow this" },
  not_found:              { http: 404, nats: 404, retryable: false, type: invalid, say: "Nothing has this name" },
  method_not_allowed:     { http: 405, nats: 405, retryable: false, type: invalid, say: "The route does not take this method" },
  conflict:               { http: 409, nats: 409, retryable: false, type: invalid, say: "Request contradicts what exists" },
  payload_too_large:      { http: 413, nats: 413, retryable: false, type: invalid, say: "Body is larger than allowed" },
  unsupported_media_type: { http: 415, nats: 415, retryable: false, type: invalid, say: "Content type is not supported" },
  overloaded:             { http: 429, nats: 429, retryable: true,  type: "rate_limit_error", say: "Collection is busy" },
  cancelled:              { http: 499, nats: 499, retryable: false, type: invalid, say: "Caller went away" },
  internal:               { http: 500, nats: 500, retryable: false, type: server, say: "Something failed inside the server" },
  unavailable:            { http: 503, nats: 503, retryable: true,  type: server, say: "Service is not available" },
  draining:               { http: 503, nats: 503, retryable: true,  type: server, say: "Node is draining" },
  degraded:               { http: 503, nats: 503, retryable: true,  type: server, say: "A full answer is not available" },
  deadline_exceeded:      { http: 504, nats: 504, retryable: false, type: server, say: "Deadline passed before an answer" },
  storage_full:           { http: 507, nats: 507, retryable: true,  type: server, say: "No space is left to store this" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export interface ErrorDetails {
  /** Overrides the table's sentence; never holds a path, key, stack or connection string. */
  readonly message?: string;
  /** The field at fault, as a path into the request: `filters.filters[0].key`. */
  readonly param?: string;
  /** Milliseconds after which a retry makes sense. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The only error that crosses an actor or an interface. `code` picks the row of the table. */
export class KennelError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.message ?? ERROR_TABLE[code].say, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "KennelError";
    this.code = code;
    this.param = details.param ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }
}

export function kennelError(code: ErrorCode, details: ErrorDetails = {}): KennelError {
  return new KennelError(code, details);
}

/** Turns whatever was thrown into a `KennelError`; what is not one already becomes `internal`, its cause kept for the log. */
export function toKennelError(thrown: unknown): KennelError {
  return thrown instanceof KennelError ? thrown : new KennelError("internal", { cause: thrown });
}

/** Ends a `switch` over a union: a new member breaks the build here. */
export function neverReached(value: never): never {
  throw new TypeError(`Unexpected value: ${JSON.stringify(value)}`);
}
