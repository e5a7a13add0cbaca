import type { HttpRequest } from "../../runtime/http_message.ts";
import type { AuditReason, RefusingTool } from "../../telemetry/audit/audit_log.ts";
import { type MessageHeaders, OPEN_SCOPE } from "../../transport/transport.ts";
import { documentIdSchema, isName, jobIdSchema, nameSchema } from "../schema/text.ts";
import { describe, refuse, validate } from "../schema/validate.ts";
import type { Admission } from "./admission.ts";
import { JSON_TYPE } from "./answer.ts";
import { BodyReader, mediaTypeOf, parseJson, refuseMediaType } from "./body.ts";
import { Deadline, type DeadlineParts } from "./deadline.ts";
import type { Route } from "./route.ts";

/** Lists and objects inside one another, in any body. A filter needs 19 levels, its own limit allows no more. */
export const MAX_JSON_DEPTH = 32;
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export interface ExchangeParts extends DeadlineParts {
  readonly admission: Admission;
  readonly maxTimeoutMs: number;
  /** Of this node's own span; null: the caller's goes along. */
  readonly traceparent: string | null;
}

export interface ToolRefusal {
  readonly reason: AuditReason;
  readonly tool: RefusingTool;
}

/** One request and what belongs to it, from its arrival to its answer. */
export class Exchange {
  readonly request: HttpRequest;
  readonly requestId: string;
  readonly deadline: Deadline;
  /** What a tool of another protocol was refused, where the answer itself is no error; null: nothing. */
  toolRefusal: ToolRefusal | null = null;
  readonly #params: Readonly<Record<string, string>>;
  readonly #body: BodyReader;
  readonly #headerTimeoutMs: number | null;
  readonly #maxTimeoutMs: number;
  readonly #traceparent: string | null;

  /** Throws `invalid_request` for a deadline that is none. */
  constructor(request: HttpRequest, requestId: string, route: Route, params: Readonly<Record<string, string>>, parts: ExchangeParts) {
    this.request = request;
    this.requestId = requestId;
    this.#params = params;
    this.#headerTimeoutMs = headerTimeoutOf(request);
    this.#maxTimeoutMs = parts.maxTimeoutMs;
    this.#traceparent = parts.traceparent;
    const timeoutMs = Math.min(this.#headerTimeoutMs ?? route.timeoutMs, parts.maxTimeoutMs);
    this.deadline = new Deadline(parts, request, timeoutMs);
    this.#body = new BodyReader(request, parts.admission, this.deadline, route.maxBodyBytes);
  }

  /** Aborts with the `KennelError` to answer: `deadline_exceeded` or `cancelled`. */
  get signal(): AbortSignal {
    return this.deadline.signal;
  }

  /** The path's `{collection}`, `{alias}`: a well-formed name. Throws `invalid_request`. */
  name(param: "collection" | "alias" | "vector_store_id"): string {
    const given = this.#params[param];
    return isName(given) ? given : validate(nameSchema, given, [param]);
  }

  documentId(param: "document" | "file_id" = "document"): string {
    return validate(documentIdSchema, this.#params[param], [param]);
  }

  /** A part of the path as it was given. */
  param(name: string): string {
    return this.#params[name] ?? "";
  }

  jobId(param: "job" | "batch_id" = "job"): string {
    return validate(jobIdSchema, this.#params[param], [param]);
  }

  /** A number of the path, from 1 on. */
  count(param: string, max: number): number {
    const given = this.#params[param] ?? "";
    if (/^[1-9]\d{0,9}$/.test(given) && Number(given) <= max) return Number(given);
    throw refuse(param, `is ${describe(given)}`, `a whole number from 1 to ${max}`);
  }

  query(): URLSearchParams {
    const { target } = this.request;
    const start = target.indexOf("?");
    return new URLSearchParams(start === -1 ? "" : target.slice(start + 1));
  }

  /** Refuses query parameters where a route has none. */
  refuseQuery(): void {
    if (!this.request.target.includes("?")) return;
    const [name] = this.query().keys();
    if (name !== undefined) throw refuse(name.slice(0, 64), "is not known here", "no query parameters");
  }

  bytes(): Uint8Array | Promise<Uint8Array> {
    return this.#body.read();
  }

  /** The body as JSON. Throws `unsupported_media_type`, `payload_too_large`, `invalid_request`. */
  async json(): Promise<unknown> {
    return this.parse(await this.jsonBytes(), "");
  }

  /** The body as it came, from a client that says it is JSON. Throws `unsupported_media_type`, `payload_too_large`. */
  jsonBytes(): Uint8Array | Promise<Uint8Array> {
    const mediaType = mediaTypeOf(this.request);
    if (mediaType !== JSON_TYPE) refuseMediaType(mediaType, JSON_TYPE);
    return this.#body.read();
  }

  /** The same, for a body that may be left out: then it is an empty object. */
  async optionalJson(): Promise<unknown> {
    const mediaType = mediaTypeOf(this.request);
    if (mediaType === JSON_TYPE) {
      const bytes = await this.#body.read();
      return bytes.length === 0 ? {} : this.parse(bytes, "");
    }
    if (mediaType !== "" || (await this.#body.read()).length > 0) refuseMediaType(mediaType, JSON_TYPE);
    return {};
  }

  parse(bytes: Uint8Array, param: string): unknown {
    return parseJson(bytes, MAX_JSON_DEPTH, param);
  }

  /** Takes the time that the body asks for; where the header asks too, the smaller holds. */
  limitTime(timeoutMs: number): void {
    const asked = this.#headerTimeoutMs === null ? timeoutMs : Math.min(timeoutMs, this.#headerTimeoutMs);
    this.deadline.move(Math.min(asked, this.#maxTimeoutMs));
  }

  /** What goes along when the request is handed on. */
  messageHeaders(): MessageHeaders {
    const traceparent = this.#traceparent ?? this.request.headers.get("traceparent");
    return {
      requestId: this.requestId,
      timeoutMs: this.deadline.remainingMs(),
      traceparent: traceparent !== null && TRACEPARENT.test(traceparent) ? traceparent : null,
      scope: OPEN_SCOPE,
    };
  }

  release(): void {
    this.deadline.release();
    this.#body.release();
  }
}

/** Milliseconds of `X-Request-Timeout-Ms`; null: the caller did not say. */
function headerTimeoutOf(request: HttpRequest): number | null {
  const value = request.headers.get("x-request-timeout-ms");
  if (value === null) return null;
  const timeoutMs = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (timeoutMs === 0) throw refuse("X-Request-Timeout-Ms", `is ${describe(value)}`, "a whole number of milliseconds from 1 on");
  return timeoutMs;
}
