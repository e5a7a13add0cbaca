import { deflateSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ParseFailure } from "../../../../actors/ingest/parsing/parsed_text.ts";
import { parsePdf } from "../../../../actors/ingest/parsing/pdf.ts";
import { unpackedStreamBytes } from "../../../../actors/ingest/parsing/pdf_streams.ts";

const MEGABYTE = 1_000_000;

function pdfWith(...streams: Uint8Array[]): Uint8Array {
  const parts = [Buffer.from("%PDF-1.4\n")];
  for (const stream of streams)
    parts.push(Buffer.from("1 0 obj\n<< /Filter /FlateDecode >>\nstream\r\n"), Buffer.from(stream), Buffer.from("\nendstream\nendobj\n"));
  return Buffer.concat(parts);
}

test("Streams are measured by what they unpack to, one after the other and one inside the other", () => {
  const packed = deflateSync(new Uint8Array(MEGABYTE));
  assert.is(unpackedStreamBytes(pdfWith(packed), 5 * MEGABYTE), MEGABYTE);
  assert.is(unpackedStreamBytes(pdfWith(packed, packed), 5 * MEGABYTE), 2 * MEGABYTE);
  assert.is(unpackedStreamBytes(pdfWith(deflateSync(packed)), 5 * MEGABYTE), MEGABYTE + packed.length);
  assert.is(unpackedStreamBytes(pdfWith(Buffer.from("plain text"), new Uint8Array([0x78, 0x9c, 1, 2, 3])), MEGABYTE), 0);
});

test("A bomb is stopped at the limit, however deep it is packed, and refused before the library reads it", async () => {
  const bomb = pdfWith(deflateSync(deflateSync(new Uint8Array(200 * MEGABYTE))));
  assert.ok(bomb.length < MEGABYTE);
  assert.is(unpackedStreamBytes(bomb, 2 * MEGABYTE), 2 * MEGABYTE + 1);
  try {
    await parsePdf(bomb, { maxTextCharacters: 1000, maxArchiveEntries: 10, maxUnpackedBytes: 2 * MEGABYTE, maxPages: 5 });
    assert.unreachable();
  } catch (thrown) {
    assert.instance(thrown, ParseFailure);
    assert.match((thrown as Error).message, "unpacks to more than 2000000 bytes");
  }
});

test.run();
