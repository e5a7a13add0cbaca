import { test } from "uvu";
import * as assert from "uvu/assert";
import type { DocumentSource } from "../../../../actors/document_store/document_record.ts";
import { parseDocument } from "../../../../actors/ingest/parsing/parse.ts";
import { ParseFailure } from "../../../../actors/ingest/parsing/parsed_text.ts";
import { pdfOf } from "../../../support/pdf.ts";
import { docxOf, docxParagraph } from "../../../support/zip.ts";

const limits = { maxTextCharacters: 10_000, maxArchiveEntries: 20, maxUnpackedBytes: 1_000_000, maxPages: 5 };
const text = (content: string, format: "text" | "markdown" | "html"): DocumentSource => ({ kind: "text", text: content, format });
const file = (fileName: string, bytes: Uint8Array, mediaType = "application/octet-stream"): DocumentSource => ({
  kind: "file",
  fileName,
  bytes,
  mediaType,
});
const blocksOf = async (source: DocumentSource) =>
  (await parseDocument(source, limits)).blocks.map((block) => [block.kind + (block.level || ""), block.text]);

async function refuses(source: DocumentSource, reason: RegExp): Promise<void> {
  try {
    await parseDocument(source, limits);
  } catch (thrown) {
    assert.instance(thrown, ParseFailure);
    assert.match((thrown as Error).message, reason);
    return;
  }
  assert.unreachable("it was parsed");
}

test("Plain text is cut into paragraphs at blank lines", async () => {
  assert.equal(await blocksOf(text("one\ntwo\n\n \nthree\r\n\r\nfour", "text")), [
    ["paragraph", "one\ntwo"],
    ["paragraph", "three"],
    ["paragraph", "four"],
  ]);
});

test("Markdown gives headings, lists, code, tables and a title, without its marks", async () => {
  const source = text(
    "---\nlayout: x\n---\n# The *title*\n\nSome\n[link](http://x) and `code`.\n\n- a\n- b\n  1. c\n\n```js\nlet x;\n```\n\n| h | i |\n|-|-|\n| 1 | 2 |\n\n> quoted\n",
    "markdown",
  );
  assert.equal(await blocksOf(source), [
    ["heading1", "The title"],
    ["paragraph", "Some link and code."],
    ["list", "- a\n- b\n  1. c"],
    ["code", "let x;"],
    ["table", "h | i\n1 | 2"],
    ["paragraph", "quoted"],
  ]);
  assert.is((await parseDocument(source, limits)).title, "The title");
});

test("HTML gives its text without scripts, navigation and styles", async () => {
  const html =
    "<html><head><title>T &amp; U</title><style>p{}</style></head><body><nav>Home</nav><h2>Part\n one</h2><p>a <b>b</b><br>c</p><ul><li>x</li><li>y</li></ul><pre>k\n  l</pre><script>bad()</script><table><tr><td>1</td><td>2</td></tr></table></body></html>";
  assert.equal(await blocksOf(text(html, "html")), [
    ["heading2", "Part one"],
    ["paragraph", "a b\nc"],
    ["list", "- x"],
    ["list", "- y"],
    ["code", "k\n  l"],
    ["table", "1 | 2"],
  ]);
  assert.is((await parseDocument(text(html, "html"), limits)).title, "T & U");
});

test("A PDF gives paragraphs by the distance of its lines, and its title", async () => {
  const bytes = pdfOf([["A first line", "that goes on.", "", "", "A second paragraph with a bro-", "ken word."], ["Page two."]], "On PDFs");
  assert.equal(await blocksOf(file("a.pdf", bytes)), [
    ["paragraph", "A first line that goes on."],
    ["paragraph", "A second paragraph with a broken word."],
    ["paragraph", "Page two."],
  ]);
  assert.is((await parseDocument(file("a.pdf", bytes), limits)).title, "On PDFs");
});

test("A DOCX gives headings and paragraphs", async () => {
  const bytes = docxOf(docxParagraph("Start", "Heading1") + docxParagraph("Hello there."));
  assert.equal(await blocksOf(file("a.docx", bytes)), [
    ["heading1", "Start"],
    ["paragraph", "Hello there."],
  ]);
});

test("A DOCX bomb is refused by what it unpacks to, by its entries, and when its directory lies", async () => {
  const zeros = new Uint8Array(3_000_000);
  await refuses(file("a.docx", docxOf("", [{ name: "x", bytes: zeros }])), /unpacks to more than 1000000 bytes/);
  await refuses(file("a.docx", docxOf("", [{ name: "x", bytes: new Uint8Array(90_000), declaredBytes: 10 }])), /names other sizes/);
  const many = Array.from({ length: 30 }, (_, index) => ({ name: `f${index}`, bytes: new Uint8Array(1) }));
  await refuses(file("a.docx", docxOf("", many)), /holds 33 files, allowed are 20/);
});

test("A PDF with too many pages, and one that is cut off, are refused with the reason", async () => {
  await refuses(file("a.pdf", pdfOf(Array.from({ length: 6 }, () => ["x"]))), /6 pages, allowed are 5/);
  await refuses(file("a.pdf", new TextEncoder().encode("%PDF-1.4\n1 0 obj << /Type")), /PDF is damaged/);
});

test("A file is judged by its bytes: a name that lies is refused, bytes that are no text too", async () => {
  await refuses(file("a.pdf", new TextEncoder().encode("hello")), /called a PDF and is none/);
  await refuses(file("a.docx", new TextEncoder().encode("hello")), /called a DOCX and is none/);
  await refuses(file("a.md", docxOf("")), /called markdown and is an archive/);
  await refuses(file("a.bin", new Uint8Array([0xff, 0x00, 0xc3, 0x28])), /no text in UTF-8/);
  assert.equal(await blocksOf(file("notes", new TextEncoder().encode("plain"))), [["paragraph", "plain"]]);
});

test("Text beyond the limit and endless nesting are refused instead of running out of stack", async () => {
  await refuses(text("x ".repeat(20_000), "text"), /longer than 10000 characters/);
  await refuses(text(`${"> ".repeat(500)}x`, "markdown"), /nested deeper/);
  assert.equal(await blocksOf(text(`${"<div>".repeat(3_000)}x`, "html")), [["paragraph", "x"]]);
});

test.run();
