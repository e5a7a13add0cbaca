import type { Readable } from "node:stream";
import mammoth from "mammoth";
import yauzl from "yauzl";
import { parseHtml } from "./html.ts";
import { type ParsedText, ParseFailure, type ParseLimits } from "./parsed_text.ts";

/** The archive's true size is measured first: what its directory says of sizes is the sender's word. */
export async function parseDocx(bytes: Uint8Array, limits: ParseLimits): Promise<ParsedText> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  await measureArchive(buffer, limits);
  const { value } = await mammoth
    .convertToHtml({ buffer }, { convertImage: mammoth.images.imgElement(async () => ({ src: "" })), externalFileAccess: false })
    .catch((cause: unknown) => {
      throw new ParseFailure("The DOCX is damaged", cause);
    });
  return parseHtml(value, limits);
}

async function measureArchive(buffer: Buffer, limits: ParseLimits): Promise<void> {
  const archive = await yauzl.fromBufferPromise(buffer, { validateEntrySizes: false }).catch((cause: unknown) => {
    throw new ParseFailure("The DOCX is not a readable archive", cause);
  });
  if (archive.entryCount > limits.maxArchiveEntries) {
    throw new ParseFailure(`The DOCX holds ${archive.entryCount} files, allowed are ${limits.maxArchiveEntries}`);
  }
  let leftBytes = limits.maxUnpackedBytes;
  let entries = 0;
  try {
    for await (const entry of archive.eachEntry()) {
      entries += 1;
      if (entries > limits.maxArchiveEntries) throw new ParseFailure(`The DOCX holds more than ${limits.maxArchiveEntries} files`);
      const bytes = await countBytes(await archive.openReadStreamPromise(entry), leftBytes);
      leftBytes -= bytes;
      if (leftBytes < 0) throw new ParseFailure(`The DOCX unpacks to more than ${limits.maxUnpackedBytes} bytes`);
      if (bytes !== entry.uncompressedSize)
        throw new ParseFailure("The DOCX is damaged: its directory names other sizes than its files have");
    }
  } catch (thrown) {
    throw thrown instanceof ParseFailure ? thrown : new ParseFailure("The DOCX is damaged", thrown);
  }
}

/** Bytes in a stream, which is ended once there are more than `maxBytes`. */
function countBytes(stream: Readable, maxBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    stream.on("data", (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= maxBytes) return;
      stream.destroy();
      resolve(bytes);
    });
    stream.on("end", () => resolve(bytes));
    stream.on("error", reject);
  });
}
