/** Request bodies, bounded while they are read. */
import { KennelError, kennelError } from "../../runtime/errors.ts";
import type { HttpRequest } from "../../runtime/http_message.ts";
import { describe, refuse } from "../schema/validate.ts";
import type { Admission } from "./admission.ts";
import type { Deadline } from "./deadline.ts";

/** Reads the body once, whole, and holds its room in the node's memory budget until `release`. */
export class BodyReader {
  readonly #request: HttpRequest;
  readonly #admission: Admission;
  readonly #deadline: Deadline;
  readonly #maxBytes: number;
  #reserved = 0;

  constructor(request: HttpRequest, admission: Admission, deadline: Deadline, maxBytes: number) {
    this.#request = request;
    this.#admission = admission;
    this.#deadline = deadline;
    this.#maxBytes = maxBytes;
  }

  /**
   * At once where all of it has come. Throws `payload_too_large` as soon as there are too many bytes, `overloaded` when the
   * node holds too many already.
   */
  read(): Uint8Array | Promise<Uint8Array> {
    const declared = this.#declaredBytes();
    if (declared !== null && declared > this.#maxBytes) throw this.#tooLarge(`has ${declared} bytes`);
    this.#reserve(declared ?? this.#maxBytes);
    const body = this.#request.read(this.#maxBytes, () => this.#tooLarge("is larger"));
    return body instanceof Promise ? this.#arrival(body) : body;
  }

  release(): void {
    this.#admission.giveBack(this.#reserved);
    this.#reserved = 0;
  }

  #declaredBytes(): number | null {
    const { headers, method } = this.#request;
    if (headers.has("transfer-encoding")) return null;
    const length = headers.get("content-length");
    if (length === null) return method === "POST" || method === "PUT" || method === "DELETE" ? 0 : null;
    return /^\d{1,15}$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  }

  #reserve(bytes: number): void {
    this.#admission.reserve(bytes);
    this.#reserved = bytes;
  }

  async #arrival(body: Promise<Uint8Array>): Promise<Uint8Array> {
    try {
      return await this.#deadline.race(body);
    } catch (thrown) {
      if (this.#deadline.ended !== null) throw this.#deadline.ended;
      throw thrown instanceof KennelError
        ? thrown
        : kennelError("cancelled", { message: "The body ended before it was complete", cause: thrown });
    }
  }

  #tooLarge(given: string) {
    return kennelError("payload_too_large", { message: `The body ${given}; allowed: at most ${this.#maxBytes} bytes` });
  }
}

/** What `curl -d` says where it is not told: the body's kind is then not known, and everything here is JSON. */
const UNSAID_TYPES: readonly string[] = ["", "application/x-www-form-urlencoded"];

/**
 * The media type of a request, lower case, without parameters; JSON where a command line left it unsaid. Not so for a
 * web page: without a type of its own it would reach another origin's server unasked.
 */
export function mediaTypeOf(request: HttpRequest): string {
  const value = request.headers.get("content-type") ?? "";
  const end = value.indexOf(";");
  const given = (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
  if (given === "application/json") return given;
  return UNSAID_TYPES.includes(given) && !request.headers.has("origin") ? "application/json" : given;
}

/** Throws `unsupported_media_type`, naming what is allowed. */
export function refuseMediaType(given: string, allowed: string): never {
  throw kennelError("unsupported_media_type", {
    param: "Content-Type",
    message: `Content-Type is ${given === "" ? "missing" : describe(given)}; allowed: ${allowed}`,
  });
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Bytes of JSON to its value. Throws `invalid_request` for what is not UTF-8, not JSON, or nested deeper than `maxDepth`:
 * the depth is looked at first, so that nothing recursive ever meets a deep value.
 * @param param the place in the request where this JSON stands; empty: it is the body
 */
export function parseJson(bytes: Uint8Array, maxDepth: number, param: string): unknown {
  if (bytes.length === 0) throw refuse(param, "is empty", "JSON");
  if (isDeeperThan(bytes, maxDepth))
    throw refuse(param, `is nested deeper than ${maxDepth} levels`, `at most ${maxDepth} levels of lists and objects`);
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (cause) {
    throw refuse(param, "is not UTF-8", "JSON in UTF-8", cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The engine's own message quotes the text, so only the place is taken from it.
    const place = /at position (\d+)/.exec(String(cause))?.[1];
    throw refuse(param, place === undefined ? "is not complete JSON" : `is not JSON from character ${place} on`, "JSON", cause);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether lists and objects in these bytes of JSON stand deeper than `maxDepth` in one another. */
function isDeeperThan(bytes: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let place = 0; place < bytes.length; place++) {
    const byte = bytes[place];
    if (isInString) {
      if (byte === BACKSLASH) place += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    // [ and {, ] and } differ in one bit each.
    else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return false;
}
