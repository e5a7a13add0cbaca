import { Match, type MsgHdrs } from "nats";
import type { HttpRequest, RequestHeaders } from "../../runtime/http_message.ts";

/** What of HTTP means nothing over NATS, or is said by the message itself. */
const LEFT_OUT: readonly string[] = ["connection", "content-encoding", "expect", "host", "origin", "transfer-encoding", "upgrade"];
const JSON_TYPE = "application/json";

/** A message as the request that it stands for: one answered like the other, by the same routes with the same limits. */
export class MessageRequest implements HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: RequestHeaders;
  /** NATS does not tell. */
  readonly peer = null;
  readonly #body: Uint8Array;
  readonly #controller = new AbortController();

  constructor(method: string, target: string, body: Uint8Array, headers: MsgHdrs | undefined) {
    this.method = method;
    this.target = target;
    this.headers = new MessageRequestHeaders(headers, body.length);
    this.#body = body;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  read(maxBytes: number, tooLarge: () => Error): Uint8Array {
    if (this.#body.length > maxBytes) throw tooLarge();
    return this.#body;
  }

  /** The asker has gone. */
  leave(): void {
    this.#controller.abort();
  }
}

class MessageRequestHeaders implements RequestHeaders {
  readonly #headers: MsgHdrs | undefined;
  readonly #bytes: number;

  constructor(headers: MsgHdrs | undefined, bytes: number) {
    this.#headers = headers;
    this.#bytes = bytes;
  }

  get(name: string): string | null {
    if (name === "content-length") return String(this.#bytes);
    if (LEFT_OUT.includes(name)) return null;
    const given = this.#headers?.has(name, Match.IgnoreCase) ? this.#headers.values(name, Match.IgnoreCase).join(", ") : null;
    return name === "content-type" ? (given ?? JSON_TYPE) : given;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  isRepeated(name: string): boolean {
    return (this.#headers?.values(name, Match.IgnoreCase).length ?? 0) > 1;
  }
}
