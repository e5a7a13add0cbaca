import { open, readFile, rename, rm } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { ImageHeader, IndexImage } from "./image.ts";
import { aligned, allocateMemory, bytesOf } from "./memory.ts";

/**
 * An image in a file, little-endian: magic `KNLR`, u32 format version, u32 bytes of the header, u32 CRC-32 of all that
 * follows the first 32 bytes, u64 bytes of the image, 8 zeros; then the header as JSON, padded with spaces to a multiple
 * of 16; then the image as it lies in memory.
 */
const MAGIC = "KNLR";
/** Grows with every change of the layout or of what the numbers in it mean, analysis included. */
const FORMAT_VERSION = 4;
const PREAMBLE_BYTES = 32;

/** What the collection is now; a snapshot of anything else is of no use. */
export interface SnapshotExpectation {
  readonly indexVersion: number;
  readonly language: string;
  readonly dimensions: number;
}

/** Refused is no failure: the index is built from the store then. */
export type SnapshotOutcome =
  | { readonly kind: "loaded"; readonly image: IndexImage }
  | { readonly kind: "missing" }
  | { readonly kind: "refused"; readonly reason: string };

/** The parts of the file, in order; the last one views the image's memory. */
export function encodeSnapshot({ memory, header }: IndexImage): readonly Uint8Array[] {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(aligned(json.length)).fill(0x20); // white space, to JSON
  padded.set(json);
  const body = bytesOf(memory, { offset: 0, bytes: header.bytes });
  const preamble = new Uint8Array(PREAMBLE_BYTES);
  const view = new DataView(preamble.buffer);
  preamble.set(new TextEncoder().encode(MAGIC));
  view.setUint32(4, FORMAT_VERSION, true);
  view.setUint32(8, padded.length, true);
  view.setUint32(12, crc32(body, crc32(padded)), true);
  view.setBigUint64(16, BigInt(header.bytes), true);
  return [preamble, padded, body];
}

/** Copies the image into a memory of its own. @throws KennelError `storage_full` when the runtime refuses the memory */
export function decodeSnapshot(bytes: Uint8Array, expected: SnapshotExpectation): SnapshotOutcome {
  if (bytes.length < PREAMBLE_BYTES) return refused(`it has ${bytes.length} bytes, its preamble alone has ${PREAMBLE_BYTES}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREAMBLE_BYTES);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== MAGIC) return refused(`it starts with ${JSON.stringify(magic)} instead of "${MAGIC}"`);
  const version = view.getUint32(4, true);
  if (version !== FORMAT_VERSION) return refused(`it has format version ${version}, this release reads version ${FORMAT_VERSION}`);
  const headerBytes = view.getUint32(8, true);
  const size = PREAMBLE_BYTES + headerBytes + Number(view.getBigUint64(16, true));
  if (bytes.length !== size) return refused(`it has ${bytes.length} bytes, its preamble announces ${size}`);
  if (crc32(bytes.subarray(PREAMBLE_BYTES)) !== view.getUint32(12, true)) return refused("its checksum does not match its bytes");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + headerBytes))) as ImageHeader;
  for (const field of ["indexVersion", "language", "dimensions"] as const) {
    if (header[field] !== expected[field]) return refused(`its ${field} is ${header[field]}, the collection's is ${expected[field]}`);
  }
  const memory = allocateMemory(header.bytes);
  bytesOf(memory, { offset: 0, bytes: header.bytes }).set(bytes.subarray(PREAMBLE_BYTES + headerBytes));
  return { kind: "loaded", image: { memory, header } };
}

/** Puts the file in its place at once or not at all, even when the process dies meanwhile. @returns its bytes */
export async function saveSnapshot(image: IndexImage, path: string): Promise<number> {
  const draft = `${path}.tmp`;
  let bytes = 0;
  const file = await open(draft, "w");
  try {
    for (const part of encodeSnapshot(image)) {
      await writeAll(file, part);
      bytes += part.length;
    }
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(draft, { force: true });
    throw error;
  }
  await file.close();
  await rename(draft, path);
  return bytes;
}

export async function loadSnapshot(path: string, expected: SnapshotExpectation): Promise<SnapshotOutcome> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { kind: "missing" };
    throw error;
  }
  return decodeSnapshot(bytes, expected);
}

/** A write takes no shared memory on every runtime, so the image goes out in copies of this size. */
const WRITE_BYTES = 4_194_304;

async function writeAll(file: Awaited<ReturnType<typeof open>>, part: Uint8Array): Promise<void> {
  for (let from = 0; from < part.length; from += WRITE_BYTES) {
    const piece = part.slice(from, from + WRITE_BYTES);
    for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
  }
}

function refused(reason: string): SnapshotOutcome {
  return { kind: "refused", reason };
}
