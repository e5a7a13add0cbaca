import { inflateSync } from "node:zlib";

/** Filters may be laid one over the other; files in earnest use one. */
const MAX_LAYERS = 4;

/**
 * What the deflated streams of a PDF unpack to, in bytes; stops at the first byte beyond `maxBytes`. Streams of an
 * encrypted file don't inflate and count as nothing: those are held by time alone.
 */
export function unpackedStreamBytes(bytes: Uint8Array, maxBytes: number): number {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let total = 0;
  for (let at = file.indexOf("stream"); at >= 0 && total <= maxBytes; at = file.indexOf("stream", at + "stream".length)) {
    if (file.subarray(Math.max(0, at - "end".length), at).toString("latin1") === "end") continue;
    let start = at + "stream".length;
    if (file[start] === 0x0d) start += 1;
    if (file[start] === 0x0a) start += 1;
    const end = file.indexOf("endstream", start);
    total += inflatedBytes(file.subarray(start, end < 0 ? file.length : end), maxBytes - total);
  }
  return total;
}

/** All layers together; more than `maxBytes` once that is passed. */
function inflatedBytes(packed: Buffer, maxBytes: number): number {
  let current = packed;
  let total = 0;
  for (let layer = 0; layer < MAX_LAYERS && isDeflated(current) && total <= maxBytes; layer++) {
    try {
      current = inflateSync(current, { maxOutputLength: maxBytes - total + 1 });
    } catch (thrown) {
      const isTooLarge = thrown instanceof RangeError || (thrown as { code?: unknown } | null)?.code === "ERR_BUFFER_TOO_LARGE";
      // Not deflated after all, or damaged: the library decides what can be read of it.
      return isTooLarge ? maxBytes + 1 : total;
    }
    total += current.length;
  }
  return total;
}

/** How zlib's data begins (RFC 1950): method 8, and both bytes together divide by 31. */
function isDeflated(bytes: Buffer): boolean {
  const [method = 0, flags = 0] = bytes;
  return bytes.length > 2 && (method & 0x0f) === 8 && ((method << 8) | flags) % 31 === 0;
}
