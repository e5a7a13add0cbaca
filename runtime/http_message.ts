/** Requests and answers of the HTTP listener: what `node:http` has read and will write, with nothing built in between. */
import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
  /** `latin1`: the text of the body stands for bytes, one a character. @default "utf8" */
  readonly encoding?: "utf8" | "latin1";
  /** In place of the body: texts that are sent as they come. It is read until its end, or until the client has gone; it must not throw. */
  readonly stream?: AsyncIterable<string>;
}

/** Headers of a request by their names in lower case; null: not sent. Several of one name are one value, as HTTP joins them. */
export interface RequestHeaders {
  get(name: string): string | null;
  has(name: string): boolean;
  /** Whether it was sent more than once. */
  isRepeated(name: string): boolean;
}

/** One request, from a socket or from another transport that brings the same. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query, beginning with a slash. */
  readonly target: string;
  readonly headers: RequestHeaders;
  /** The address that the connection came from; null: it is not known, or there is none. */
  readonly peer: string | null;
  /** Aborts when the client has gone before it was answered. */
  readonly signal: AbortSignal;
  /**
   * The body, once; at once where all of it is there. Throws what `tooLarge` makes as soon as there are more than `maxBytes`,
   * any other error where it ends before it is complete.
   */
  read(maxBytes: number, tooLarge: () => Error): Uint8Array | Promise<Uint8Array>;
}

/** A request that `node:http` has read. Its body and its signal cost nothing before they are asked for. */
export class IncomingRequest implements HttpRequest {
  readonly method: string;
  /** Path and query, beginning with a slash: as they were sent, save that dot segments are resolved and odd characters escaped. */
  readonly target: string;
  readonly headers: RequestHeaders;
  readonly #incoming: IncomingMessage;
  #controller: AbortController | null = null;
  #hasLeft = false;

  private constructor(incoming: IncomingMessage, target: string) {
    this.method = incoming.method ?? "GET";
    this.target = target;
    this.headers = new IncomingHeaders(incoming);
    this.#incoming = incoming;
  }

  /** Null: no request that HTTP allows; the answer is 400. */
  static of(incoming: IncomingMessage): IncomingRequest | null {
    const target = isHost(incoming.headers.host) ? targetOf(incoming.url ?? "") : null;
    return target === null ? null : new IncomingRequest(incoming, target);
  }

  get peer(): string | null {
    return this.#incoming.socket.remoteAddress ?? null;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#hasLeft) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  read(maxBytes: number, tooLarge: () => Error): Uint8Array | Promise<Uint8Array> {
    const incoming = this.#incoming;
    if (!incoming.complete || incoming.destroyed) return gather(incoming, maxBytes, tooLarge);
    if (incoming.readableLength > maxBytes) throw tooLarge();
    return takeAll(incoming);
  }

  /** For the listener: the client has gone. */
  leave(): void {
    this.#hasLeft = true;
    this.#controller?.abort();
  }
}

/** Writes the whole answer; where the client has gone, nothing. */
export function sendAnswer(outgoing: ServerResponse, { status, headers, body, encoding, stream }: HttpAnswer): void | Promise<void> {
  if (stream !== undefined) return sendStream(outgoing, status, headers, stream);
  if (outgoing.destroyed) return;
  if (body !== null && body.length > PIECE) return sendPieces(outgoing, status, headers, bytesOf(body, encoding));
  // Not `writeHead`: Deno writes head and text in one call where nothing of the head was written before `end`.
  outgoing.statusCode = status;
  for (const name in headers) outgoing.setHeader(name, headers[name] as string);
  if (body === null) outgoing.end();
  else outgoing.end(body, encoding ?? "utf8");
}

/** A larger body goes out in pieces: how much of one write a client has taken, no runtime tells before it has all of it. */
const PIECE = 262_144;

function bytesOf(body: string | Uint8Array, encoding: HttpAnswer["encoding"]): Uint8Array {
  return typeof body === "string" ? Buffer.from(body, encoding ?? "utf8") : body;
}

/** The next piece when the client takes more. */
async function sendPieces(outgoing: ServerResponse, status: number, headers: HttpAnswer["headers"], body: Uint8Array): Promise<void> {
  outgoing.writeHead(status, { ...headers, "content-length": String(body.length) });
  for (let from = 0; from < body.length; from += PIECE) {
    if (!outgoing.write(body.subarray(from, from + PIECE))) await whenDrained(outgoing);
    if (outgoing.destroyed) return;
  }
  outgoing.end();
}

/** Each text when it comes; the next is asked for when the client takes more. Begins to read in any case, so that the stream can end. */
async function sendStream(
  outgoing: ServerResponse,
  status: number,
  headers: HttpAnswer["headers"],
  stream: AsyncIterable<string>,
): Promise<void> {
  if (!outgoing.destroyed) outgoing.writeHead(status, { ...headers }); // it goes out with the first text, in one call
  for await (const text of stream) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(text)) await whenDrained(outgoing);
  }
  if (!outgoing.destroyed) outgoing.end();
}

function whenDrained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      outgoing.off("drain", go).off("close", go);
      resolve();
    };
    outgoing.on("drain", go).on("close", go);
    if (outgoing.destroyed) go();
  });
}

const NOTHING = new Uint8Array(0);

class IncomingHeaders implements RequestHeaders {
  /** Taken once: they are read a dozen times, and the message looks for them at each. */
  readonly #named: IncomingMessage["headers"];
  readonly #incoming: IncomingMessage;

  constructor(incoming: IncomingMessage) {
    this.#named = incoming.headers;
    this.#incoming = incoming;
  }

  get(name: string): string | null {
    const value = this.#named[name];
    return typeof value === "string" ? value : null;
  }

  has(name: string): boolean {
    return this.#named[name] !== undefined;
  }

  isRepeated(name: string): boolean {
    const { rawHeaders } = this.#incoming;
    let times = 0;
    for (let place = 0; place < rawHeaders.length; place += 2) if (rawHeaders[place]?.toLowerCase() === name) times += 1;
    return times > 1;
  }
}

/** What has been read ahead: with Node in one piece, with Deno in those it came in. */
function takeAll(incoming: IncomingMessage): Uint8Array {
  const first: Uint8Array = incoming.read() ?? NOTHING;
  if (incoming.readableLength === 0) return first;
  const pieces = [first];
  for (let piece = incoming.read(); piece !== null; piece = incoming.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

function gather(incoming: IncomingMessage, maxBytes: number, tooLarge: () => Error): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let total = 0;
    const stop = () => {
      incoming.off("data", onData).off("end", onEnd).off("error", onGone).off("close", onGone);
    };
    const onData = (piece: Uint8Array) => {
      total += piece.length;
      if (total <= maxBytes) {
        pieces.push(piece);
        return;
      }
      stop();
      reject(tooLarge());
    };
    const onEnd = () => {
      stop();
      resolve(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces, total));
    };
    const onGone = () => {
      stop();
      reject(new Error("The connection ended before the body"));
    };
    incoming.on("data", onData).on("end", onEnd).on("error", onGone).on("close", onGone);
    if (incoming.destroyed) onGone();
  });
}

/** A path and a query that a URL would leave as they are, unless they have dot segments. */
const PLAIN_TARGET = /^\/[!#$&-;=?-[\]_a-z~]*$/;
const DOT_SEGMENT = /\/\.\.?(?:[/?#]|$)/;
const ABSOLUTE = /^https?:\/\//;
const PLAIN_HOST = /^[a-z0-9._-]+(?::[1-9]\d{3,4})?$/;

function targetOf(given: string): string | null {
  if (PLAIN_TARGET.test(given) && !DOT_SEGMENT.test(given)) return given;
  const isAbsolute = ABSOLUTE.test(given);
  if (!isAbsolute && !given.startsWith("/")) return null;
  if ((given.split("?", 1)[0] as string).includes("\\")) return null; // a URL would take it for a slash
  const url = URL.parse(isAbsolute ? given : `http://localhost${given}`);
  return url === null ? null : url.pathname + url.search;
}

/** HTTP/1.0 need not name one; where HTTP/1.1 does not, `node:http` has refused it. */
function isHost(given: string | undefined): boolean {
  if (given === undefined || given === "" || PLAIN_HOST.test(given)) return true;
  return URL.parse(`http://${given}/`)?.hostname === given.replace(/:\d+$/, "").toLowerCase();
}
