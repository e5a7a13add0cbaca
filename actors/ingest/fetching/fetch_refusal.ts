import { type ErrorCode, kennelError } from "../../../runtime/errors.ts";

/** Why a URL was not fetched; what metrics and the audit's log lines name. */
export type RefusalReason =
  | "url"
  | "host"
  | "port"
  | "address"
  | "redirect"
  | "status"
  | "content_type"
  | "encoding"
  | "too_large"
  | "unresolved"
  | "unreachable"
  | "timeout";

const CODES: Readonly<Record<RefusalReason, ErrorCode>> = {
  url: "invalid_request",
  host: "forbidden",
  port: "forbidden",
  address: "forbidden",
  redirect: "invalid_request",
  status: "invalid_request",
  content_type: "unsupported_media_type",
  encoding: "unsupported_media_type",
  too_large: "payload_too_large",
  unresolved: "unavailable",
  unreachable: "unavailable",
  timeout: "unavailable",
};

/** A URL that was not fetched. Its message says nothing of addresses: to a caller they would be a map of this node's network. */
export class FetchRefusal extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "FetchRefusal";
    this.reason = reason;
  }

  /** @param param the field that named the URL */
  toKennelError(param: string) {
    return kennelError(CODES[this.reason], { message: `${param} ${this.message}`, param, cause: this.cause });
  }
}
