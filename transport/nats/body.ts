/**
 * Bodies between nodes: MessagePack, which carries bytes as they are. Plain data comes out as it went in, except that
 * fields of value `undefined` are left out. Bridges that speak to clients use JSON instead.
 */
import { decode, ExtensionCodec, encode } from "@msgpack/msgpack";

const FLOAT32_ARRAY = 1;

const codec = new ExtensionCodec();
codec.register({
  type: FLOAT32_ARRAY,
  encode: (value) => (value instanceof Float32Array ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null),
  decode: (bytes) => new Float32Array(Uint8Array.from(bytes).buffer), // a copy, since four bytes must begin where four can
});

/** Never empty: an empty payload ends a stream. */
export function encodeBody(body: unknown): Uint8Array {
  return encode(body, { extensionCodec: codec, ignoreUndefined: true });
}

/** Throws for what no `encodeBody` has made. */
export function decodeBody(bytes: Uint8Array): unknown {
  // What is read from a socket may be a Buffer, and its parts would be; a reader expects plain bytes.
  return decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), { extensionCodec: codec });
}
