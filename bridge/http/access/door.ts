/**
 * What stands before keys: it keeps out web pages that have no business here, whatever their readers may reach.
 *
 * Invariants:
 *   D1. Where names are known, a request that calls this node by another one is refused. A page whose name was made to lead
 *       here (DNS rebinding) sends its own name; it would else be of one origin with the node.
 *   D2. A request that may change something, and comes from a page of an origin that is neither this node's nor allowed, is
 *       refused: forms and plain texts are sent to other origins without asking for leave (CSRF). What is no page sends no origin.
 */
import { isIP } from "node:net";
import { kennelError } from "../../../runtime/errors.ts";
import type { HttpRequest } from "../../../runtime/http_message.ts";

export interface DoorOptions {
  /** Names this node may be called by, in lower case; null: any. */
  readonly hostNames: ReadonlySet<string> | null;
  /** Whether any address may stand in place of a name, or loopback addresses alone: DNS leads no page to an address. */
  readonly takesAddresses: boolean;
  /** Origins of pages that may change things; `*`: all. */
  readonly corsOrigins: readonly string[];
}

/** Host headers that were found good and need not be read again; with different ports there may be many. */
const MAX_KNOWN_HOSTS = 64;
const SAFE_METHODS: readonly string[] = ["GET", "HEAD", "OPTIONS"];
/** MCP has its own rule, which also holds for what is safe and lets pages of this machine in (`mcp/origin.ts`). */
const OWN_RULE = "/mcp";
const LOOPBACK_ADDRESS = /^(127(\.\d{1,3}){3}|\[::1\])$/;

export class Door {
  readonly #options: DoorOptions;
  readonly #origins: ReadonlySet<string>;
  readonly #knownHosts = new Set<string>();

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#origins = new Set(options.corsOrigins);
  }

  /**
   * Throws `forbidden`, with `Host` or `Origin` as what is at fault.
   * @param path the route's
   */
  check(request: HttpRequest, path: string): void {
    if (this.#options.hostNames !== null) this.#checkHost(request.headers.get("host")); // D1
    if (!SAFE_METHODS.includes(request.method) && path !== OWN_RULE) this.#checkOrigin(request); // D2
  }

  #checkHost(host: string | null): void {
    // HTTP/1.0 need not name one; no browser speaks it.
    if (host === null || this.#knownHosts.has(host)) return;
    if (!this.#isOwnName(host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, ""))) {
      throw kennelError("forbidden", { param: "Host", message: "This node is not called by this name; http.allowedHosts lists its names" });
    }
    if (this.#knownHosts.size < MAX_KNOWN_HOSTS) this.#knownHosts.add(host);
  }

  #isOwnName(name: string): boolean {
    const { hostNames, takesAddresses } = this.#options;
    if (hostNames?.has(name) === true || LOOPBACK_ADDRESS.test(name)) return true;
    return takesAddresses && isIP(name.replace(/^\[|\]$/g, "")) !== 0;
  }

  /** As browsers say themselves whose page it is (Fetch Metadata), and where they do not, by the page's origin. */
  #checkOrigin({ headers }: HttpRequest): void {
    const origin = headers.get("origin");
    if (origin === null || this.#origins.has(origin) || this.#origins.has("*")) return;
    const site = headers.get("sec-fetch-site");
    if (site === "same-origin" || site === "none") return;
    const host = headers.get("host");
    if (site === null && host !== null && (origin === `http://${host}` || origin === `https://${host}`)) return;
    throw kennelError("forbidden", {
      param: "Origin",
      message: "Pages of this origin may change nothing here; http.corsOrigins names those that may",
    });
  }
}
