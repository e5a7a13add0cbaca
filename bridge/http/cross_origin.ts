import type { HttpRequest } from "../../runtime/http_message.ts";

const PREFLIGHT_SECONDS = "600";
const ALLOWED_HEADERS =
  "authorization, content-type, cache-control, traceparent, x-request-id, x-request-timeout-ms, x-kennel-principals, mcp-protocol-version, mcp-method, mcp-name";
const EXPOSED_HEADERS =
  "x-request-id, retry-after, retry-after-ms, location, allow, x-kennel-mode, x-kennel-degradations, openai-poll-after-ms, www-authenticate";
const NO_HEADERS: Readonly<Record<string, string>> = {};

/** Which pages of other origins may read answers (CORS). No credentials are ever allowed: a key is sent, not a cookie. */
export class CrossOrigin {
  readonly #allowsAll: boolean;
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    this.#allowsAll = origins.includes("*");
    this.#origins = new Set(origins);
  }

  /** @param vary what the answer differs by already */
  headersFor(request: HttpRequest, vary: string | undefined): Readonly<Record<string, string>> {
    if (this.#origins.size === 0) return NO_HEADERS;
    const origin = request.headers.get("origin");
    const varied = this.#allowsAll ? {} : { vary: vary === undefined ? "origin" : `${vary}, origin` };
    if (origin === null || !this.#allows(origin)) return varied;
    return {
      "access-control-allow-origin": this.#allowsAll ? "*" : origin,
      "access-control-expose-headers": EXPOSED_HEADERS,
      ...varied,
    };
  }

  preflight(request: HttpRequest, allow: string): Readonly<Record<string, string>> {
    const origin = request.headers.get("origin");
    if (origin === null || !this.#allows(origin)) return NO_HEADERS;
    return {
      "access-control-allow-methods": allow,
      "access-control-allow-headers": ALLOWED_HEADERS,
      "access-control-max-age": PREFLIGHT_SECONDS,
    };
  }

  #allows(origin: string): boolean {
    return this.#allowsAll || this.#origins.has(origin);
  }
}
