import type { EncodedAnswer } from "../search.ts";

const LENGTH_BYTES = 4;
const OPENING = 0x5b;
const CLOSING = 0x5d;

/** An answer as one piece: the length of the rest's JSON (32 bits, little-endian), the JSON, the hits as they are. */
export function packAnswer({ hits, rest }: EncodedAnswer): Buffer {
  const json = Buffer.from(JSON.stringify(rest));
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + json.length + hits.length);
  bytes.writeUInt32LE(json.length, 0);
  json.copy(bytes, LENGTH_BYTES);
  bytes.set(hits, LENGTH_BYTES + json.length);
  return bytes;
}

/** Null: these bytes are no answer. */
export function unpackAnswer(bytes: Buffer): EncodedAnswer | null {
  if (bytes.length < LENGTH_BYTES) return null;
  const from = LENGTH_BYTES + bytes.readUInt32LE(0);
  const hits = bytes.subarray(from);
  if (hits[0] !== OPENING || hits.at(-1) !== CLOSING) return null;
  try {
    const rest: unknown = JSON.parse(bytes.toString("utf8", LENGTH_BYTES, from));
    const isRest = typeof rest === "object" && rest !== null && "index_version" in rest && "mode" in rest && "freshness" in rest;
    return isRest ? { hits: new Uint8Array(hits), rest: rest as EncodedAnswer["rest"] } : null;
  } catch {
    return null;
  }
}
