/** What a route answers, before the headers that every answer has are put on it. */
import type { EncodedAnswer } from "../../actors/retriever/search.ts";

export interface Answer {
  readonly status: number;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
  readonly headers: Readonly<Record<string, string>>;
}

export const JSON_TYPE = "application/json";

export function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, body: JSON.stringify(body), headers: { "content-type": JSON_TYPE, ...headers } };
}

const encoder = new TextEncoder();
const OPENING = encoder.encode('{"object":"list","data":');

/** A search's answer: the hits, written once for all who get the same, are copied as they are. */
export function encodeAnswer(answer: EncodedAnswer): Uint8Array<ArrayBuffer> {
  const rest = encoder.encode(`,${JSON.stringify(answer.rest).slice(1)}`);
  const bytes = new Uint8Array(OPENING.length + answer.hits.length + rest.length);
  bytes.set(OPENING);
  bytes.set(answer.hits, OPENING.length);
  bytes.set(rest, OPENING.length + answer.hits.length);
  return bytes;
}
