/** What a route answers, before the headers that every answer has are put on it. */
import { Buffer } from "node:buffer";
import type { EncodedAnswer } from "../../actors/retriever/search.ts";
import type { HttpAnswer } from "../../runtime/http_message.ts";

export type Answer = HttpAnswer;

export const JSON_TYPE = "application/json";

export function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, body: JSON.stringify(body), headers: { "content-type": JSON_TYPE, ...headers } };
}

const OPENING = '{"object":"list","data":';

/**
 * Writes searches' answers: the hits, written once for all who get the same, are taken over as they are. What comes out is a
 * text of bytes, which goes out together with the head in one write.
 */
export class AnswerEncoder {
  /** Texts of hits that are given again; each goes when its bytes go, and is counted with them where they are kept. */
  readonly #texts = new WeakMap<Uint8Array, string>();

  encode({ hits, rest }: EncodedAnswer): string {
    const ending = JSON.stringify(rest).slice(1);
    return `${OPENING}${rest.cache === "hit" ? this.#keptText(hits) : textOf(hits)},${BEYOND_ASCII.test(ending) ? textOf(Buffer.from(ending)) : ending}`;
  }

  #keptText(hits: Uint8Array): string {
    const kept = this.#texts.get(hits);
    if (kept !== undefined) return kept;
    const text = textOf(hits);
    this.#texts.set(hits, text);
    return text;
  }
}

const BEYOND_ASCII = /[^\0-\x7f]/;

/** One character a byte. */
function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
