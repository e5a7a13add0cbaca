/**
 * The side that answers: what other nodes ask of this one, on one subscription.
 *
 * Invariants:
 *   A1. At most `maxInFlight` handlers run; one more request is refused with `overloaded` before anything of it is read.
 *   A2. Every request gets one answer or one ended stream, except one whose asker waits no more: it has the same deadline.
 *   A3. A handler's signal aborts at the deadline, when the asker cancels or is gone, and when this node stops.
 */
import type { Msg, MsgHdrs, NatsConnection } from "nats";
import { headers as emptyHeaders } from "nats";
import { unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import { OpenRequest } from "../open_request.ts";
import type { Handler, MessageHeaders, StreamHandler } from "../transport.ts";
import { decodeBody, encodeBody } from "./body.ts";
import { NATS_HEADERS, readHeaders, writeError } from "./headers.ts";
import type { NatsLink } from "./link.ts";
import { isOversized, tooLarge } from "./oversized.ts";
import { MAX_ANSWER_BYTES, partsOf } from "./parts.ts";
import { Returns } from "./returns.ts";
import { CANCEL, nodeSubject } from "./subjects.ts";

export interface AnsweringParts {
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly count: (event: string) => void;
  /** This node, one token of a subject. */
  readonly self: string;
  readonly maxInFlight: number;
  /** Whether another node has this one's name, and answers what is asked of it. @default never */
  readonly isSilent?: () => boolean;
}

/** How soon an asker that was turned away may try again. */
const RETRY_AFTER_MS = 100;
const NOTHING = new Uint8Array(0);

interface Asker {
  readonly subject: string;
  /** Whether it puts an answer in parts together. */
  readonly takesParts: boolean;
}

type AnyHandler =
  | { readonly kind: "one"; readonly handle: Handler<never, unknown> }
  | { readonly kind: "stream"; readonly handle: StreamHandler<never, unknown> };

export class Answering {
  readonly #parts: AnsweringParts;
  readonly #subject: string;
  readonly #handlers = new Map<string, AnyHandler>();
  /** By reply subject. */
  readonly #inFlight = new Map<string, OpenRequest>();
  readonly #returns: Returns;
  readonly #detach: () => void;
  #isClosing = false;
  #onQuiet: (() => void) | null = null;

  constructor(parts: AnsweringParts) {
    this.#parts = parts;
    this.#subject = nodeSubject(parts.self, "");
    this.#returns = new Returns(parts.link.inboxPrefix, () => parts.count("asker_gone"));
    this.#detach = parts.link.attach({
      onClient: (client) => {
        this.#returns.subscribe(client);
        this.#subscribe(client);
      },
    });
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  serve(name: string, handler: AnyHandler): void {
    if (name === CANCEL) throw new TypeError(`Cannot serve "${CANCEL}": the transport itself does`);
    if (this.#handlers.has(name)) throw new TypeError(`Cannot serve "${name}": it has a handler already`);
    this.#handlers.set(name, handler);
  }

  /** Refuses new requests, waits for those under way, then gives up on them. */
  async close(limitMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#inFlight.size > 0) {
      await new Promise<void>((resolve) => {
        const limit = this.#parts.clock.setTimer(limitMs, resolve);
        this.#onQuiet = () => {
          limit.cancel();
          resolve();
        };
      });
    }
    for (const open of [...this.#inFlight.values()]) {
      open.fail(kennelError("draining", { message: "Node stopped before the answer was ready" }));
    }
    this.#detach();
  }

  #subscribe(client: NatsConnection): void {
    client.subscribe(`${this.#subject}>`, { callback: (error, message) => error === null && this.#take(message) });
  }

  #take(message: Msg): void {
    if (this.#parts.isSilent?.() === true) return;
    const name = message.subject.slice(this.#subject.length);
    const { reply = "" } = message;
    if (name === CANCEL) {
      this.#inFlight.get(message.string())?.fail(kennelError("cancelled"));
    } else if (reply === "") {
      this.#drop("no_reply_subject", name);
    } else {
      try {
        const { handler, body, headers } = this.#admit(name, message);
        void this.#answer(handler, body, headers, { subject: reply, takesParts: message.headers?.has(NATS_HEADERS.parts) === true });
      } catch (thrown) {
        this.#refuse(reply, toKennelError(thrown));
      }
    }
  }

  #admit(name: string, message: Msg): { readonly handler: AnyHandler; readonly body: unknown; readonly headers: MessageHeaders } {
    const headers = readHeaders(message.headers);
    if (headers === null) {
      this.#drop("malformed_request", name);
      throw kennelError("invalid_request", { message: "The headers of the message are not those of a Kennel node" });
    }
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw kennelError("unavailable", { message: `Nobody serves "${name}"` });
    if (this.#isClosing) throw kennelError("draining", { retryAfterMs: RETRY_AFTER_MS });
    if (this.#inFlight.size >= this.#parts.maxInFlight) {
      this.#parts.count("overloaded"); // A1
      throw kennelError("overloaded", { message: "Node is busy: other nodes ask too much at once", retryAfterMs: RETRY_AFTER_MS });
    }
    try {
      return { handler, body: decodeBody(message.data), headers };
    } catch (cause) {
      this.#drop("malformed_request", name);
      throw kennelError("invalid_request", { message: "The body of the message is not that of a Kennel node", cause });
    }
  }

  async #answer(handler: AnyHandler, body: unknown, headers: MessageHeaders, { subject: reply, takesParts }: Asker): Promise<void> {
    const { clock } = this.#parts;
    let failure: KennelError | null = null;
    const open: OpenRequest = new OpenRequest(
      clock,
      headers.timeoutMs,
      NEVER,
      (error) => {
        failure = error;
        if (error.code === "draining") this.#refuse(reply, error);
      },
      () => this.#settled(reply),
    );
    this.#inFlight.set(reply, open);
    try {
      if (handler.kind === "one") {
        const answer = await handler.handle(body as never, headers, open.signal);
        if (open.settle()) this.#whole(reply, encodeBody(answer), takesParts);
      } else {
        await this.#stream(handler.handle(body as never, headers, open.signal), open, reply);
      }
    } catch (thrown) {
      if (failure === null && open.settle()) this.#refuse(reply, this.#told(thrown, headers));
    }
  }

  #whole(reply: string, payload: Uint8Array, takesParts: boolean): void {
    const { maxPayloadBytes } = this.#parts.link;
    if (!takesParts || payload.length <= maxPayloadBytes || payload.length > MAX_ANSWER_BYTES) {
      this.#reply(reply, payload, null, this.#returns.whole);
      return;
    }
    this.#parts.count("answer_in_parts");
    const parts = partsOf(payload, maxPayloadBytes);
    for (const [place, part] of parts.entries()) {
      this.#reply(reply, part.payload, part.headers, place === parts.length - 1 ? this.#returns.whole : "");
    }
  }

  async #stream(chunks: AsyncIterable<unknown>, open: OpenRequest, reply: string): Promise<void> {
    const gone = this.#returns.open(() => open.fail(kennelError("cancelled")));
    const reading = chunks[Symbol.asyncIterator]();
    let sent = 0;
    try {
      for (;;) {
        const next = await unlessAborted(reading.next(), open.signal);
        if (next.done === true) break;
        this.#reply(reply, encodeBody(next.value), inPlace(sent++), gone);
      }
      if (open.settle()) this.#reply(reply, NOTHING, inPlace(sent), gone);
    } finally {
      this.#returns.close(gone);
      reading.return?.().catch(() => undefined); // not waited for: a handler that ignores its signal holds up nobody
    }
  }

  #settled(reply: string): void {
    this.#inFlight.delete(reply);
    if (this.#inFlight.size === 0) this.#onQuiet?.();
  }

  #refuse(reply: string, error: KennelError): void {
    this.#reply(reply, NOTHING, writeError(error), "");
  }

  /** Nothing is kept for later: an asker that can't be reached now asks again. */
  #reply(to: string, payload: Uint8Array, headers: MsgHdrs | null, returned: string): void {
    const { client, maxPayloadBytes } = this.#parts.link;
    if (client === null) {
      this.#parts.count("undelivered");
      return;
    }
    const options = { ...(headers === null ? {} : { headers }), ...(returned === "" ? {} : { reply: returned }) };
    try {
      client.publish(to, payload, options);
    } catch (thrown) {
      const isTooLarge = isOversized(thrown);
      this.#parts.count(isTooLarge ? "oversized_answer" : "undelivered");
      if (isTooLarge) client.publish(to, NOTHING, { headers: writeError(tooLarge("answer", payload.length, maxPayloadBytes)) });
    }
  }

  #told(thrown: unknown, { requestId }: MessageHeaders): KennelError {
    const error = toKennelError(thrown);
    if (error.code === "internal")
      this.#parts.logger.error({ requestId, err: error.cause ?? error }, "A node's request failed inside this one");
    return error;
  }

  #drop(event: string, name: string): void {
    this.#parts.count(event);
    this.#parts.logger.warn({ event, endpoint: name.slice(0, 64) }, "a message to this node is not one of Kennel's");
  }
}

const NEVER = new AbortController().signal;

function inPlace(place: number): MsgHdrs {
  const headers = emptyHeaders();
  headers.set(NATS_HEADERS.sequence, String(place));
  return headers;
}
