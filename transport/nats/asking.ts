/** The side that asks: requests and streams to other nodes, each settled once (T1 and T2 of local.ts). */
import type { Msg } from "nats";
import { cancellationOf, unlessAborted } from "../../runtime/cancellation.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import { OpenRequest } from "../open_request.ts";
import type { MessageHeaders } from "../transport.ts";
import { decodeBody, encodeBody } from "./body.ts";
import { ChunkQueue } from "./chunk_queue.ts";
import { NATS_HEADERS, readError, writeHeaders } from "./headers.ts";
import { Inbox, isNoResponders } from "./inbox.ts";
import type { NatsLink } from "./link.ts";
import { isOversized, tooLarge } from "./oversized.ts";
import { isPart, PartialAnswer, partLost } from "./parts.ts";
import { CANCEL, nodeSubject } from "./subjects.ts";

export interface AskingParts {
  readonly link: NatsLink;
  readonly clock: Clock;
  readonly count: (event: string) => void;
}

/** Chunks of one answer that have come and were not read yet. */
const MAX_UNREAD_BYTES = 16_777_216;

export class Asking {
  readonly #parts: AskingParts;
  readonly #inbox: Inbox;
  readonly #open = new Set<OpenRequest>();
  /** Settled by a message, or never sent: the other side has nothing to be told. */
  readonly #answered = new WeakSet<OpenRequest>();
  readonly #detach: () => void;
  #isClosing = false;
  #onQuiet: (() => void) | null = null;

  constructor(parts: AskingParts) {
    this.#parts = parts;
    this.#inbox = new Inbox(parts.link.inboxPrefix, () => parts.count("late_reply"));
    this.#detach = parts.link.attach({
      onClient: (client) => this.#inbox.subscribe(client),
      onCutOff: (error) => this.#inbox.loseAll(error, null),
      onDenied: (operation, subject) => operation === "publish" && this.#inbox.loseAll(refused(subject), subject),
    });
  }

  get isOpen(): boolean {
    return !this.#isClosing && this.#parts.link.isConnected;
  }

  request(node: string, endpoint: string, body: unknown, headers: MessageHeaders, signal: AbortSignal): Promise<unknown> {
    const refusal = this.#refusal(headers, signal);
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const open = this.#begin(headers, signal, reject);
      const asked = nodeSubject(node, endpoint);
      const settle = (read: () => unknown) =>
        this.#settle(open, reply, () => {
          try {
            const answer = read();
            if (open.settle()) resolve(answer);
          } catch (thrown) {
            open.fail(toKennelError(thrown));
          }
        });
      let partial: PartialAnswer | null = null;
      const reply = this.#inbox.open({
        asked,
        onLost: (error) => this.#settle(open, reply, () => open.fail(error)),
        onMessage: (message) => {
          if (!isPart(message)) return settle(() => this.#answerOf(message, endpoint));
          partial ??= new PartialAnswer(() => this.#parts.count("answer_part_lost"));
          try {
            const whole = partial.add(message);
            if (whole !== null) settle(() => this.#decode(whole, endpoint));
          } catch (thrown) {
            settle(() => {
              throw thrown;
            });
          }
        },
      });
      this.#cancelWith(open, node, reply);
      this.#send(open, asked, reply, body, headers, true);
    });
  }

  async *stream(node: string, endpoint: string, body: unknown, headers: MessageHeaders, signal: AbortSignal): AsyncGenerator<unknown> {
    const refusal = this.#refusal(headers, signal);
    if (refusal !== null) throw refusal;
    const open = this.#begin(headers, signal, () => undefined);
    const chunks = new ChunkQueue(MAX_UNREAD_BYTES);
    const asked = nodeSubject(node, endpoint);
    let isOver = false;
    let received = 0;
    const reply = this.#inbox.open({
      asked,
      onLost: (error) => {
        isOver = true;
        chunks.end(error);
      },
      onMessage: (message) => {
        const error = isNoResponders(message) ? nobody(endpoint) : readError(message.headers);
        const place = Number(message.headers?.get(NATS_HEADERS.sequence) ?? "");
        isOver = error !== null || message.data.length === 0;
        if (error !== null) chunks.end(error);
        else if (place !== received) {
          if (chunks.end(partLost())) this.#parts.count("answer_part_lost");
        } else if (isOver) chunks.end("end");
        else if (chunks.push(message.data)) received++;
        else this.#parts.count("slow_reader");
      },
    });
    try {
      this.#send(open, asked, reply, body, headers, false);
      while (true) {
        const chunk = await unlessAborted(chunks.next(), open.signal);
        if (chunk === null) return;
        yield this.#decode(chunk, endpoint);
      }
    } catch (thrown) {
      throw toKennelError(thrown);
    } finally {
      this.#inbox.close(reply);
      open.fail(kennelError("cancelled")); // harmless after the last chunk
      if (!isOver) this.#cancel(node, reply);
    }
  }

  /** Waits for what is open, then gives up on it. */
  async close(limitMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        const limit = this.#parts.clock.setTimer(limitMs, resolve);
        this.#onQuiet = () => {
          limit.cancel();
          resolve();
        };
      });
    }
    for (const open of [...this.#open]) open.fail(kennelError("draining", { message: "Node stopped before the answer was ready" }));
    this.#detach();
  }

  #refusal(headers: MessageHeaders, signal: AbortSignal): KennelError | null {
    if (this.#isClosing) return kennelError("draining");
    if (signal.aborted) return cancellationOf(signal);
    if (!(headers.timeoutMs > 0)) return kennelError("deadline_exceeded");
    return this.#parts.link.isConnected ? null : kennelError("unavailable", { message: "This node is cut off from NATS" });
  }

  #begin(headers: MessageHeaders, signal: AbortSignal, reject: (error: KennelError) => void): OpenRequest {
    const open: OpenRequest = new OpenRequest(this.#parts.clock, headers.timeoutMs, signal, reject, () => {
      this.#open.delete(open);
      if (this.#open.size === 0) this.#onQuiet?.();
    });
    this.#open.add(open);
    return open;
  }

  #settle(open: OpenRequest, reply: string, settle: () => void): void {
    this.#inbox.close(reply);
    this.#answered.add(open);
    settle();
  }

  #cancelWith(open: OpenRequest, node: string, reply: string): void {
    open.signal.addEventListener("abort", () => {
      if (this.#answered.has(open)) return;
      this.#inbox.close(reply);
      this.#cancel(node, reply);
    });
  }

  /** Best effort: the other side has the deadline too. */
  #cancel(node: string, reply: string): void {
    try {
      this.#parts.link.client?.publish(nodeSubject(node, CANCEL), reply);
    } catch {
      this.#parts.count("undelivered");
    }
  }

  #send(open: OpenRequest, asked: string, reply: string, body: unknown, headers: MessageHeaders, takesParts: boolean): void {
    const { client, maxPayloadBytes } = this.#parts.link;
    const payload = encodeBody(body);
    const written = writeHeaders(headers);
    if (takesParts) written.set(NATS_HEADERS.parts, "yes");
    try {
      if (client === null) throw kennelError("unavailable", { message: "This node is cut off from NATS" });
      client.publish(asked, payload, { reply, headers: written });
    } catch (thrown) {
      const isTooLarge = isOversized(thrown);
      if (isTooLarge) this.#parts.count("oversized_request");
      const error = isTooLarge ? tooLarge("request", payload.length, maxPayloadBytes) : toKennelError(thrown);
      this.#settle(open, reply, () => open.fail(error));
    }
  }

  #answerOf(message: Msg, endpoint: string): unknown {
    if (isNoResponders(message)) throw nobody(endpoint);
    const error = readError(message.headers);
    if (error !== null) throw error;
    return this.#decode(message.data, endpoint);
  }

  #decode(bytes: Uint8Array, endpoint: string): unknown {
    try {
      return decodeBody(bytes);
    } catch (cause) {
      this.#parts.count("malformed_reply");
      throw kennelError("internal", { cause: new Error(`The answer of "${endpoint}" cannot be read`, { cause }) });
    }
  }
}

const nobody = (endpoint: string) => kennelError("unavailable", { message: `Nobody serves "${endpoint}"` });

const refused = (subject: string) =>
  kennelError("unavailable", { message: `NATS refuses this node the subject "${subject}": its user lacks the permission` });
