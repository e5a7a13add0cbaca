/** A vector as it is stored: its floats, little-endian, one after the other. */
export function packVector(vector: Float32Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 * vector.length);
  for (let at = 0; at < vector.length; at++) bytes.writeFloatLE(vector[at] as number, 4 * at);
  return bytes;
}

/** Null: these bytes are no vector. */
export function unpackVector(bytes: Uint8Array): Float32Array | null {
  if (bytes.byteLength === 0 || bytes.byteLength % 4 !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vector = new Float32Array(bytes.byteLength / 4);
  for (let at = 0; at < vector.length; at++) vector[at] = view.getFloat32(4 * at, true);
  return vector;
}
