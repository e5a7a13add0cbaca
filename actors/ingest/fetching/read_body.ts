import type { IncomingMessage } from "node:http";
import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { FetchRefusal } from "./fetch_refusal.ts";

/** What this reads, for `Accept-Encoding`. */
export const ACCEPTED_ENCODINGS = "gzip, deflate, br";

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * The whole body, unpacked. It is given up at the first byte beyond `maxBytes`, packed or unpacked, so that neither a long
 * body nor a small one that unpacks to a long one takes more memory than that. Rejects with FetchRefusal, or the signal's reason.
 */
export async function readBody(response: IncomingMessage, maxBytes: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () => new FetchRefusal("too_large", `has a body of more than ${maxBytes} bytes, as sent or unpacked`);
  if (Number(response.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
  const decoder = decoderOf(response);
  let received = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of response as AsyncIterable<Buffer>) {
      received += piece.length;
      if (received > maxBytes) throw tooLarge();
      yield piece;
    }
  };
  const unpacked = decoder === null ? counted() : unpack(counted(), decoder);
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of unpacked) {
      bytes += piece.length;
      if (bytes > maxBytes) throw tooLarge();
      pieces.push(piece);
    }
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof FetchRefusal) throw thrown;
    throw new FetchRefusal("unreachable", "could not be fetched: its body was cut, or is not packed as it says", thrown);
  } finally {
    decoder?.destroy();
    response.destroy();
  }
  return Uint8Array.from(Buffer.concat(pieces, bytes));
}

function decoderOf({ headers }: IncomingMessage): Transform | null {
  const encoding = (headers["content-encoding"] ?? "").trim().toLowerCase();
  if (encoding === "" || encoding === "identity") return null;
  const make = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (make === undefined) throw new FetchRefusal("encoding", `is packed in a way that is not read; allowed: ${ACCEPTED_ENCODINGS}`);
  return make();
}

/** Feeds a decoder as fast as its output is taken, and no faster. */
async function* unpack(packed: AsyncIterable<Buffer>, decoder: Transform): AsyncGenerator<Buffer> {
  let failure: unknown = null;
  const feeding = (async () => {
    for await (const piece of packed) {
      if (decoder.destroyed) return;
      if (!decoder.write(piece)) await new Promise<void>((resolve) => onceAny(decoder, ["drain", "close", "error"], resolve));
    }
    decoder.end();
  })().catch((thrown) => {
    failure = thrown;
    decoder.destroy(thrown as Error);
  });
  try {
    for await (const piece of decoder as AsyncIterable<Buffer>) yield piece;
  } catch (thrown) {
    throw failure ?? thrown;
  } finally {
    decoder.destroy();
    await feeding;
  }
}

function onceAny(emitter: Transform, events: readonly string[], then: () => void): void {
  const done = () => {
    for (const event of events) emitter.off(event, done);
    then();
  };
  for (const event of events) emitter.on(event, done);
}
