/**
 * Fetches documents that callers name by URL, from a node whose own network is not theirs to see.
 *
 * Invariants:
 *   U1. No connection is opened to an address that was not checked, and none to another one than was checked: a name is
 *       resolved once for each hop, all its addresses must be allowed, and the socket goes to one of them.
 *   U2. What holds for the first URL holds for each one that a redirect names; redirects are followed here, never by a client.
 *   U3. Nothing of this node goes along: no cookie, no credentials, no address of the page before.
 *   U4. Each fetch ends: by its time, by its size, by its number of redirects; and so many run at once.
 *   U5. Each fetch is counted and leaves a line in the log, with the host and the outcome, and without what else the URL holds.
 */
import type { IncomingMessage } from "node:http";
import { unlessAborted } from "../../../runtime/cancellation.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { type KennelError, kennelError } from "../../../runtime/errors.ts";
import { Slots } from "../../../runtime/slots.ts";
import { VERSION } from "../../../runtime/version.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import { isReadableMediaType, READABLE_MEDIA_TYPES } from "../parsing/format.ts";
import { type AddressPolicy, literalAddress } from "./address_policy.ts";
import { FetchRefusal, type RefusalReason } from "./fetch_refusal.ts";
import { checkUrl, type HostRules, hostOf } from "./host_rules.ts";
import { pinnedRequest } from "./pinned_request.ts";
import { ACCEPTED_ENCODINGS, readBody } from "./read_body.ts";

/** All addresses of a name, best first. Rejects when there are none. */
export type Resolver = (host: string) => Promise<readonly string[]>;

export interface UrlFetchMetrics {
  /** `outcome`: `fetched`, or why not. */
  fetched(outcome: "fetched" | "cancelled" | "failed" | RefusalReason, bytes: number): void;
}

export interface UrlFetchOptions extends HostRules {
  readonly addresses: AddressPolicy;
  readonly resolve: Resolver;
  /** Of one document, as sent and unpacked. */
  readonly maxBytes: number;
  /** For one URL, its redirects included. */
  readonly timeoutMs: number;
  readonly maxRedirects: number;
  /** Callers whose documents are fetched at once on this node; more wait, up to `maxWaiting`. */
  readonly maxInFlight: number;
  readonly maxWaiting: number;
  /** All documents of one caller together. */
  readonly maxTotalBytes: number;
  /** Certificates (PEM) to trust in place of the system's; null: the system's. */
  readonly ca: string | null;
  readonly metrics: UrlFetchMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface FetchedFile {
  /** Empty unless the name tells more than the media type does. */
  readonly fileName: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface UrlOfDocument {
  readonly url: string;
  /** The field that named it, for errors. */
  readonly param: string;
}

/** Documents of one caller that are fetched side by side. */
const SIDE_BY_SIDE = 4;
/** Addresses of one name that are tried, at most. */
const MAX_ADDRESSES = 3;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const HEADERS = {
  "user-agent": `Kennel/${VERSION}`,
  accept: `${READABLE_MEDIA_TYPES.join(", ")}`,
  "accept-encoding": ACCEPTED_ENCODINGS,
} as const;

export class UrlFetcher {
  readonly #options: UrlFetchOptions;
  readonly #slots: Slots;

  constructor(options: UrlFetchOptions) {
    this.#options = options;
    this.#slots = new Slots(options.maxInFlight, options.maxWaiting);
  }

  /**
   * The documents, in order; all or none. Rejects with `invalid_request`, `forbidden`, `unsupported_media_type`,
   * `payload_too_large`, `unavailable` (a host does not answer in time), `overloaded` (too many callers wait), or the signal's reason.
   * @param audit what else the log's lines say
   */
  async fetchAll(
    documents: readonly UrlOfDocument[],
    audit: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<readonly FetchedFile[]> {
    const release = await this.#slots.take(signal);
    const given = new AbortController();
    const within = AbortSignal.any([signal, given.signal]);
    const files: FetchedFile[] = [];
    let bytes = 0;
    const rest = documents.entries(); // shared: each takes the next one
    const fetchSome = async () => {
      for (const [place, { url, param }] of rest) {
        const file = await this.#fetch(url, param, audit, within);
        bytes += file.bytes.length;
        if (bytes > this.#options.maxTotalBytes) throw tooMuch(this.#options.maxTotalBytes);
        files[place] = file;
      }
    };
    try {
      const all = Array.from({ length: SIDE_BY_SIDE }, fetchSome).map((some) =>
        some.catch((thrown) => {
          if (!given.signal.aborted) given.abort(thrown); // the others end at once, and the first failure is the one that is told
        }),
      );
      await Promise.all(all);
      within.throwIfAborted();
      return files;
    } finally {
      release();
    }
  }

  async #fetch(url: string, param: string, audit: Readonly<Record<string, string>>, signal: AbortSignal): Promise<FetchedFile> {
    const { clock, logger, metrics, timeoutMs } = this.#options;
    const startedMs = clock.monotonicMs();
    const late = new AbortController();
    const timer = clock.setTimer(timeoutMs, () => late.abort(new FetchRefusal("timeout", `could not be fetched within ${timeoutMs} ms`)));
    const trail: string[] = [];
    const end = (outcome: Parameters<UrlFetchMetrics["fetched"]>[0], bytes: number) => {
      const ms = Math.round(clock.monotonicMs() - startedMs);
      metrics.fetched(outcome, bytes);
      logger[outcome === "fetched" ? "info" : "warn"](
        { audit: "url_fetch", outcome, hosts: trail, bytes, ms, ...audit },
        "A URL was asked for",
      ); // U5
    };
    try {
      const file = await this.#follow(url, trail, AbortSignal.any([signal, late.signal]));
      end("fetched", file.bytes.length);
      return file;
    } catch (thrown) {
      const isLate = late.signal.aborted && !signal.aborted;
      const refusal = isLate ? (late.signal.reason as FetchRefusal) : thrown instanceof FetchRefusal ? thrown : null;
      end(refusal?.reason ?? (signal.aborted ? "cancelled" : "failed"), 0);
      throw refusal?.toKennelError(param) ?? thrown;
    } finally {
      timer.cancel();
    }
  }

  async #follow(start: string, trail: string[], signal: AbortSignal): Promise<FetchedFile> {
    let url = parseUrl(start);
    for (let redirects = 0; ; redirects++) {
      const addresses = await this.#addressesOf(url, trail, signal); // U2
      const response = await pinnedRequest({ url, addresses, headers: HEADERS, ca: this.#options.ca }, signal);
      try {
        const next = redirectOf(response, url);
        if (next === null) return await this.#read(response, url, signal);
        if (redirects === this.#options.maxRedirects)
          throw new FetchRefusal("redirect", `leads to more than ${this.#options.maxRedirects} redirects`);
        url = next;
      } finally {
        response.destroy();
      }
    }
  }

  /** Of a host that may be asked (U1). */
  async #addressesOf(url: URL, trail: string[], signal: AbortSignal): Promise<readonly string[]> {
    trail.push(hostOf(url).slice(0, MAX_SHOWN_HOST));
    checkUrl(url, this.#options);
    const literal = literalAddress(url.hostname);
    const found = literal === null ? await this.#resolve(hostOf(url), signal) : [literal];
    // One address that is not allowed speaks against the host: which one a client would take is not to be guessed.
    if (found.length === 0 || !found.every((address) => this.#options.addresses.allows(address)))
      throw new FetchRefusal("address", "leads to an address that is not public");
    return found.slice(0, MAX_ADDRESSES);
  }

  async #resolve(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const resolving = this.#options.resolve(host).catch((cause: unknown) => {
      throw new FetchRefusal("unresolved", "names a host that is not known", cause);
    });
    return unlessAborted(resolving, signal); // resolvers cannot be told to stop
  }

  async #read(response: IncomingMessage, url: URL, signal: AbortSignal): Promise<FetchedFile> {
    if (response.statusCode !== 200) throw new FetchRefusal("status", `is answered with the status ${response.statusCode}; allowed: 200`);
    const mediaType = (response.headers["content-type"] ?? "").trim();
    if (!isReadableMediaType(mediaType))
      throw new FetchRefusal("content_type", `has a content type that is not read; allowed: ${READABLE_MEDIA_TYPES.join(", ")}`);
    const bytes = await readBody(response, this.#options.maxBytes, signal);
    const fileName = /[^/]*\.(?:md|markdown)$/i.exec(url.pathname)?.[0] ?? "";
    return { fileName, mediaType: mediaType.split(";")[0] ?? "", bytes: inUtf8(bytes, mediaType) };
  }
}

const MAX_SHOWN_HOST = 253;

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw new FetchRefusal("url", 'is no address; allowed: one like "https://docs.example.com/guide"');
  return new URL(text);
}

/** Where the answer leads; null: it is the document. */
function redirectOf(response: IncomingMessage, from: URL): URL | null {
  if (!REDIRECTS.includes(response.statusCode ?? 0)) return null;
  const location = response.headers.location ?? "";
  if (location === "" || !URL.canParse(location, from.href)) throw new FetchRefusal("redirect", "leads to a redirect without an address");
  const next = new URL(location, from.href);
  if (from.protocol === "https:" && next.protocol !== "https:") throw new FetchRefusal("redirect", "leads from https:// to another scheme");
  return next;
}

/** Text of another encoding that its content type names; what is UTF-8, or no text, as it is. */
function inUtf8(bytes: Uint8Array<ArrayBuffer>, contentType: string): Uint8Array<ArrayBuffer> {
  const charset = /;\s*charset="?([\w.:-]{1,40})"?/i.exec(contentType)?.[1]?.toLowerCase() ?? "utf-8";
  if (!contentType.startsWith("text/") || charset === "utf-8" || charset === "utf8" || charset === "us-ascii") return bytes;
  try {
    return new TextEncoder().encode(new TextDecoder(charset).decode(bytes));
  } catch (cause) {
    throw new FetchRefusal("encoding", "is written in a character set that is not known", cause);
  }
}

function tooMuch(maxTotalBytes: number): KennelError {
  return kennelError("payload_too_large", { message: `The documents have more than ${maxTotalBytes} bytes together`, param: "urls" });
}

/** A node that fetches nothing. */
export function urlFetchOff(): KennelError {
  return kennelError("forbidden", { message: "This node fetches no documents; KENNEL_URL_INGEST=on and KENNEL_URL_FETCH_HOSTS allow it" });
}
