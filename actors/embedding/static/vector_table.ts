import { kennelError } from "../../../runtime/errors.ts";

/**
 * Layout of a `.bin`, little-endian: magic `SEMB`, u32 version, u32 rows, u32 dimensions, u32 unknown id, u32 longest
 * word in code points, u32 FNV-1a of the vocabulary's bytes, zeros up to 64; then f32 scale per row, then i8 rows.
 */
export const HEADER_BYTES = 64;
const MAGIC = "SEMB";
const VERSION = 1;

export interface TableHeader {
  readonly rows: number;
  readonly dimensions: number;
  readonly unknownId: number;
  readonly maxWordCodePoints: number;
  readonly vocabularyHash: number;
}

/** One row per token; a row's value is its scale times its int8. */
export interface VectorTable {
  readonly header: TableHeader;
  readonly scales: Float32Array;
  /** Row-major. */
  readonly values: Int8Array;
}

/** @throws KennelError `unavailable` when the bytes are not a table of this version */
export function parseHeader(bytes: Uint8Array): TableHeader {
  if (bytes.byteLength < HEADER_BYTES) throw refusal(`it has ${bytes.byteLength} bytes, its header alone has ${HEADER_BYTES}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== MAGIC) throw refusal(`it starts with ${JSON.stringify(magic)} instead of "${MAGIC}"`);
  const version = view.getUint32(4, true);
  if (version !== VERSION) throw refusal(`it has format version ${version}, this release reads version ${VERSION}`);
  const header: TableHeader = {
    rows: view.getUint32(8, true),
    dimensions: view.getUint32(12, true),
    unknownId: view.getUint32(16, true),
    maxWordCodePoints: view.getUint32(20, true),
    vocabularyHash: view.getUint32(24, true),
  };
  if (header.unknownId >= header.rows) throw refusal(`its unknown token is ${header.unknownId} of ${header.rows}`);
  return header;
}

/** Views `bytes` without copying them. @throws KennelError `unavailable` when header or size are wrong */
export function parseVectorTable(bytes: Uint8Array): VectorTable {
  const header = parseHeader(bytes);
  const { rows, dimensions } = header;
  const expectedBytes = HEADER_BYTES + 4 * rows + rows * dimensions;
  if (bytes.byteLength !== expectedBytes) throw refusal(`it has ${bytes.byteLength} bytes, its header announces ${expectedBytes}`);
  // A pooled buffer may start at any offset, but floats need four bytes of alignment.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const start = aligned.byteOffset + HEADER_BYTES;
  return {
    header,
    scales: new Float32Array(aligned.buffer, start, rows),
    values: new Int8Array(aligned.buffer, start + 4 * rows, rows * dimensions),
  };
}

/** @throws KennelError `unavailable` when the vocabulary is not the one the table was made for */
export function checkVocabulary(header: TableHeader, vocabulary: Uint8Array, size: number): void {
  if (fnv1a32(vocabulary) !== header.vocabularyHash) throw refusal("vocab.txt is not the one it was made for");
  if (size !== header.rows) throw refusal(`it has ${header.rows} rows for ${size} tokens`);
}

function fnv1a32(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function refusal(found: string) {
  return kennelError("unavailable", { message: `Cannot load the embedding model: ${found}; install Kennel's files again` });
}
