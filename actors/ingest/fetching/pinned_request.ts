import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { FetchRefusal } from "./fetch_refusal.ts";
import { hostOf, portOf } from "./host_rules.ts";

const MAX_HEADER_BYTES = 16_384;
/** Errors of a connection that was not made: another address of the same host may do. */
const NOT_CONNECTED = new Set(["ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "EADDRNOTAVAIL"]);

export interface PinnedRequest {
  readonly url: URL;
  /** Checked already; the first that takes the connection is used. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Certificates (PEM) to trust; null: those of the system. */
  readonly ca: string | null;
}

/**
 * Asks for `url` at one of `addresses` and nowhere else: the socket is opened to the address itself, so that no name is
 * resolved a second time, while the host's name goes into `Host`, SNI and the check of its certificate.
 * Resolves with the answer's head, its body still to be read. Rejects with FetchRefusal, or the signal's reason.
 */
export async function pinnedRequest({ addresses, ...rest }: PinnedRequest, signal: AbortSignal): Promise<IncomingMessage> {
  let failure: unknown = null;
  for (const address of addresses) {
    try {
      return await ask({ ...rest, address }, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      failure = thrown;
      if (!NOT_CONNECTED.has((thrown as NodeJS.ErrnoException).code ?? "")) break;
    }
  }
  throw new FetchRefusal("unreachable", "could not be fetched: its host does not answer, or not as a web server does", failure);
}

function ask(
  { url, address, headers, ca }: Omit<PinnedRequest, "addresses"> & { readonly address: string },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const isTls = url.protocol === "https:";
  const host = hostOf(url);
  const options = {
    host: address,
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, host: url.host },
    agent: false, // a connection kept for later would be one that nobody has checked for the next URL
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  } as const;
  return new Promise((resolve, reject) => {
    // A certificate for an address names the address; a name is sent along for the others.
    const named = host.startsWith("[") || host === address ? {} : { servername: host };
    const request = isTls ? requestTls({ ...options, ...named, ...(ca === null ? {} : { ca }) }) : requestPlain(options);
    request.once("response", resolve);
    request.once("error", reject);
    request.end();
  });
}
