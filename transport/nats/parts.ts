/**
 * Answers that do not fit into one message: parts in their order, each with its place and how many there are. Only who has
 * said that it puts them together is sent any, so that a node of an earlier version, and a client that knows of none, gets
 * an error that it understands.
 */
import { Buffer } from "node:buffer";
import { headers as emptyHeaders, type Msg, type MsgHdrs } from "nats";
import { kennelError } from "../../runtime/errors.ts";
import { NATS_HEADERS } from "./headers.ts";

/** Of an answer whose parts are put together; a node holds as many of them as it has asked for. */
export const MAX_ANSWER_BYTES = 16_777_216;
/** For a part's place and count. */
const HEADERS_BYTES = 1_024;
/** Of one header, beside its name and its value. */
const HEADER_BYTES = 4;

export interface Part {
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs;
}

/** @param maxPayloadBytes of one message, headers included @param first headers of the first part besides */
export function partsOf(payload: Uint8Array, maxPayloadBytes: number, first: MsgHdrs = emptyHeaders()): readonly Part[] {
  const size = Math.max(1, maxPayloadBytes - HEADERS_BYTES - bytesOf(first));
  const count = Math.ceil(payload.length / size);
  return Array.from({ length: count }, (_, place) => {
    const headers = place === 0 ? first : emptyHeaders();
    headers.set(NATS_HEADERS.sequence, String(place));
    headers.set(NATS_HEADERS.parts, String(count));
    return { payload: payload.subarray(place * size, (place + 1) * size), headers };
  });
}

function bytesOf(headers: MsgHdrs): number {
  let bytes = 0;
  for (const [name, values] of headers) for (const value of values) bytes += Buffer.byteLength(name + value) + HEADER_BYTES;
  return bytes;
}

/** Of a gap in the parts of an answer, or in the chunks of a stream. */
export const partLost = () => kennelError("unavailable", { message: "A part of the answer was lost on its way" });

export function isPart(message: Msg): boolean {
  return message.headers?.has(NATS_HEADERS.parts) === true;
}

/** The parts of one answer that have come. */
export class PartialAnswer {
  readonly #parts: Uint8Array[] = [];
  readonly #onLost: () => void;
  #bytes = 0;

  /** @param onLost told of a gap */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  /** @returns the whole answer; null: more is to come. Throws `unavailable` for a gap, `payload_too_large` beyond the bound. */
  add(message: Msg): Uint8Array | null {
    const count = Number(message.headers?.get(NATS_HEADERS.parts));
    if (Number(message.headers?.get(NATS_HEADERS.sequence)) !== this.#parts.length) {
      this.#onLost();
      throw partLost();
    }
    this.#bytes += message.data.length;
    if (this.#bytes > MAX_ANSWER_BYTES) throw kennelError("payload_too_large");
    this.#parts.push(message.data);
    return this.#parts.length >= count ? this.#whole() : null;
  }

  #whole(): Uint8Array {
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
