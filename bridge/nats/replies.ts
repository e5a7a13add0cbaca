/** From an answer of the bridge to messages: one, or chunks and an empty one. */
import { Buffer } from "node:buffer";
import { type MsgHdrs, headers as natsHeaders, type ServiceMsg } from "nats";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { HttpAnswer } from "../../runtime/http_message.ts";
import { NATS_HEADERS, writeError } from "../../transport/nats/headers.ts";
import { isOversized, tooLarge, writeSizes } from "../../transport/nats/oversized.ts";
import { MAX_ANSWER_BYTES, partsOf } from "../../transport/nats/parts.ts";
import { jsonOfEvents } from "../http/chat_answers.ts";
import { fromError, type WireError } from "../schema/errors.ts";

const NOTHING = new Uint8Array(0);
/** Headers of an answer that are of use without HTTP. */
const KEPT = ["x-request-id", "x-kennel-mode", "x-kennel-degradations"];

/** Where messages go, and what is told of them. */
export interface ReplyParts {
  readonly maxPayloadBytes: number;
  readonly isConnected: () => boolean;
  readonly count: (event: string) => void;
}

export class Reply {
  readonly #message: ServiceMsg;
  readonly #parts: ReplyParts;

  constructor(message: ServiceMsg, parts: ReplyParts) {
    this.#message = message;
    this.#parts = parts;
  }

  /** @param returns the subject to which NATS says that nobody waits for the answer */
  whole({ status, headers, body, encoding }: HttpAnswer, returns: string): void {
    const kept = keptHeaders(headers);
    const bytes = typeof body === "string" ? Buffer.from(body, encoding ?? "utf8") : (body ?? NOTHING);
    if (status < 400) this.#send(bytes, kept, returns, this.#message.headers?.has(NATS_HEADERS.parts) === true);
    else this.#send(bytes, writeError(errorOf(bytes, headers), kept), returns);
  }

  failed(error: KennelError, requestId: string): void {
    const headers = requestId === "" ? {} : { "x-request-id": requestId };
    this.#send(Buffer.from(JSON.stringify(fromError(error))), writeError(error, keptHeaders(headers)), "");
  }

  /** Each event as its JSON; one that is an error says so in its headers too. An empty message ends them. */
  async chunks(stream: AsyncIterable<string>, headers: HttpAnswer["headers"], returns: string, isGone: () => boolean): Promise<void> {
    let first: MsgHdrs | null = keptHeaders(headers);
    for await (const json of jsonOfEvents(stream)) {
      if (isGone()) break;
      const bytes = Buffer.from(json);
      const isError = json.startsWith('{"error":');
      this.#send(bytes, isError ? writeError(errorOf(bytes, {}), first ?? undefined) : first, returns);
      first = null;
    }
    if (!isGone()) this.#send(NOTHING, null, returns);
  }

  #send(payload: Uint8Array, headers: MsgHdrs | null, returns: string, takesParts = false): void {
    if (!this.#parts.isConnected()) {
      this.#parts.count("undelivered");
      return;
    }
    const options = { ...(headers === null ? {} : { headers }), ...(returns === "" ? {} : { reply: returns }) };
    try {
      this.#message.respond(payload, options);
    } catch (thrown) {
      if (!isOversized(thrown)) this.#parts.count("undelivered");
      else if (takesParts && payload.length <= MAX_ANSWER_BYTES) this.#sendInParts(payload, headers, returns);
      else this.#refuse(payload.length);
    }
  }

  /** @param returns on the last one */
  #sendInParts(payload: Uint8Array, kept: MsgHdrs | null, returns: string): void {
    this.#parts.count("answer_in_parts");
    const parts = partsOf(payload, this.#parts.maxPayloadBytes, kept ?? undefined);
    for (const [place, part] of parts.entries()) {
      const isLast = place === parts.length - 1;
      this.#message.respond(part.payload, { headers: part.headers, ...(isLast && returns !== "" ? { reply: returns } : {}) });
    }
  }

  #refuse(bytes: number): void {
    const { maxPayloadBytes } = this.#parts;
    this.#parts.count("oversized_answer");
    const error = tooLarge("answer", bytes, maxPayloadBytes);
    const headers = writeSizes(bytes, maxPayloadBytes, writeError(error));
    this.#message.respond(Buffer.from(JSON.stringify(fromError(error))), { headers });
  }
}

function keptHeaders(given: HttpAnswer["headers"]): MsgHdrs {
  const kept = natsHeaders();
  for (const name of KEPT) {
    const value = given[name];
    if (value !== undefined && value !== "")
      kept.set(
        name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase()),
        value,
      );
  }
  return kept;
}

/** The error that the bridge has written into a body. */
function errorOf(body: Uint8Array, headers: HttpAnswer["headers"]): KennelError {
  const { error } = JSON.parse(new TextDecoder().decode(body)) as WireError;
  const retryAfterMs = headers["retry-after-ms"];
  return kennelError(error.code, {
    message: error.message,
    ...(error.param === null ? {} : { param: error.param }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Number(retryAfterMs) }),
  });
}
