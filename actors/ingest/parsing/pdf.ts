import { getDocumentProxy } from "unpdf";
import { BlockList, type ParsedText, ParseFailure, type ParseLimits } from "./parsed_text.ts";
import { unpackedStreamBytes } from "./pdf_streams.ts";

/** A gap of more than this many line heights between two lines starts a paragraph. */
const PARAGRAPH_GAP = 1.6;

interface TextItem {
  readonly str: string;
  readonly hasEOL: boolean;
  /** a, b, c, d, e, f of the text matrix; f is the height on the page, c and d carry the font's size. */
  readonly transform: readonly number[];
}

/** Page after page, so that the limits are met before all is read. A PDF of scanned images has no text and gives no blocks. */
export async function parsePdf(bytes: Uint8Array, limits: ParseLimits): Promise<ParsedText> {
  measureStreams(bytes, limits);
  // The library takes the buffer for itself, so it gets one of its own.
  const pdf = await getDocumentProxy(new Uint8Array(bytes), { disableFontFace: true, verbosity: 0 }).catch((cause: unknown) => {
    throw new ParseFailure("The PDF is damaged or encrypted", cause);
  });
  try {
    if (pdf.numPages > limits.maxPages) throw new ParseFailure(`The PDF has ${pdf.numPages} pages, allowed are ${limits.maxPages}`);
    const list = new BlockList(limits);
    for (let number = 1; number <= pdf.numPages; number++) {
      const page = await pdf.getPage(number);
      const content = await page.getTextContent();
      for (const paragraph of paragraphsOf(content.items.filter((item): item is typeof item & TextItem => "str" in item))) {
        list.add("paragraph", paragraph);
      }
      page.cleanup();
    }
    return { title: await titleOf(pdf), blocks: list.blocks };
  } catch (thrown) {
    throw thrown instanceof ParseFailure ? thrown : new ParseFailure("A page of the PDF is damaged", thrown);
  } finally {
    await pdf.loadingTask.destroy();
  }
}

/** The library unpacks a stream whole, whatever it grows to; so their true size is measured before it sees the file. */
function measureStreams(bytes: Uint8Array, limits: ParseLimits): void {
  if (unpackedStreamBytes(bytes, limits.maxUnpackedBytes) <= limits.maxUnpackedBytes) return;
  throw new ParseFailure(`The PDF unpacks to more than ${limits.maxUnpackedBytes} bytes`);
}

async function titleOf(pdf: { getMetadata(): Promise<{ info: object }> }): Promise<string> {
  const metadata = await pdf.getMetadata().catch(() => null);
  const title = metadata === null ? "" : (metadata.info as { Title?: unknown }).Title;
  return typeof title === "string" ? title.trim() : "";
}

/** Lines joined to paragraphs by their distance on the page; a hyphen at a line's end joins the halves of a word. */
function paragraphsOf(items: readonly TextItem[]): string[] {
  const paragraphs: string[] = [];
  let text = "";
  let line = "";
  let lastY: number | null = null;
  const endLine = () => {
    if (text.endsWith("-") && /^\p{Ll}/u.test(line)) text = text.slice(0, -1) + line;
    else if (text !== "" && line !== "") text += ` ${line}`;
    else text += line;
    line = "";
  };
  for (const item of items) {
    const y = item.transform[5] ?? 0;
    const height = Math.hypot(item.transform[2] ?? 0, item.transform[3] ?? 0);
    if (item.str.trim() !== "" && line === "") {
      const gap = lastY === null ? 0 : Math.abs(lastY - y);
      if (text !== "" && height > 0 && gap > PARAGRAPH_GAP * height) {
        paragraphs.push(text);
        text = "";
      }
      lastY = y;
    }
    line += item.str;
    if (item.hasEOL) endLine();
  }
  endLine();
  if (text !== "") paragraphs.push(text);
  return paragraphs;
}
