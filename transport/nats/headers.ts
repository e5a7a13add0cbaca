/** What travels beside a body over NATS: who asks and for how long, or what went wrong. */
import { headers as emptyHeaders, type MsgHdrs } from "nats";
import { ERROR_TABLE, type ErrorCode, type KennelError, kennelError } from "../../runtime/errors.ts";
import type { MessageHeaders, Scope } from "../transport.ts";

/** The same names as over HTTP where HTTP has one; errors under those of NATS' services. */
export const NATS_HEADERS = {
  requestId: "X-Request-Id",
  timeoutMs: "X-Request-Timeout-Ms",
  traceparent: "traceparent",
  scope: "Kennel-Scope",
  /** The sentence. */
  error: "Nats-Service-Error",
  /** A number of the error table. */
  errorStatus: "Nats-Service-Error-Code",
  /** A name of the error table. */
  errorCode: "Kennel-Error-Code",
  errorParam: "Kennel-Error-Param",
  retryAfterMs: "Retry-After-Ms",
  /** Place of a chunk in its stream, from 0; on the end of the stream: how many there were. */
  sequence: "Kennel-Sequence",
  /** On a request: that an answer may come in parts. On each part: how many there are. */
  parts: "Kennel-Parts",
  /** On the refusal of an answer that does not fit into a message: its size, and what a message may have. */
  answerBytes: "Kennel-Answer-Bytes",
  maxBytes: "Kennel-Max-Bytes",
} as const;

const MAX_TIMEOUT_MS = 86_400_000;
const MAX_VALUE_LENGTH = 4_096;

export function writeHeaders({ requestId, timeoutMs, traceparent, scope }: MessageHeaders): MsgHdrs {
  const written = emptyHeaders();
  written.set(NATS_HEADERS.requestId, oneLine(requestId));
  written.set(NATS_HEADERS.timeoutMs, String(Math.ceil(timeoutMs)));
  if (traceparent !== null) written.set(NATS_HEADERS.traceparent, oneLine(traceparent));
  written.set(NATS_HEADERS.scope, JSON.stringify(scope));
  return written;
}

/** Null: not what `writeHeaders` writes. */
export function readHeaders(given: MsgHdrs | undefined): MessageHeaders | null {
  if (given === undefined) return null;
  const requestId = given.get(NATS_HEADERS.requestId);
  const timeoutMs = Number(given.get(NATS_HEADERS.timeoutMs));
  const scope = readScope(given.get(NATS_HEADERS.scope));
  if (requestId === "" || !(timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS) || scope === null) return null;
  return { requestId, timeoutMs, traceparent: given.get(NATS_HEADERS.traceparent) || null, scope };
}

function readScope(text: string): Scope | null {
  try {
    const { tenant, principals } = JSON.parse(text) as { readonly tenant?: unknown; readonly principals?: unknown };
    if (typeof tenant !== "string") return null;
    if (principals === null) return { tenant, principals };
    return Array.isArray(principals) && principals.every((name) => typeof name === "string") ? { tenant, principals } : null;
  } catch {
    return null;
  }
}

/** An `internal` error travels without its words. */
export function writeError(error: KennelError, written: MsgHdrs = emptyHeaders()): MsgHdrs {
  const row = ERROR_TABLE[error.code];
  written.set(NATS_HEADERS.error, oneLine(error.code === "internal" ? row.say : error.message));
  written.set(NATS_HEADERS.errorStatus, String(row.nats));
  written.set(NATS_HEADERS.errorCode, error.code);
  if (error.param !== null) written.set(NATS_HEADERS.errorParam, oneLine(error.param));
  if (error.retryAfterMs !== null) written.set(NATS_HEADERS.retryAfterMs, String(Math.ceil(error.retryAfterMs)));
  return written;
}

/** Null: the message is no error. A code that this version does not know is `internal`. */
export function readError(given: MsgHdrs | undefined): KennelError | null {
  if (given === undefined || !given.has(NATS_HEADERS.errorStatus)) return null;
  const name = given.get(NATS_HEADERS.errorCode);
  const code: ErrorCode = Object.hasOwn(ERROR_TABLE, name) ? (name as ErrorCode) : "internal";
  const param = given.get(NATS_HEADERS.errorParam);
  const retryAfterMs = given.get(NATS_HEADERS.retryAfterMs);
  return kennelError(code, {
    message: given.get(NATS_HEADERS.error) || ERROR_TABLE[code].say,
    ...(param === "" ? {} : { param }),
    ...(retryAfterMs === "" || !Number.isFinite(Number(retryAfterMs)) ? {} : { retryAfterMs: Number(retryAfterMs) }),
  });
}

/** A header's value ends with its line, so that what a caller has sent can't bring headers of its own. */
function oneLine(text: string): string {
  return text
    .slice(0, MAX_VALUE_LENGTH)
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim();
}
