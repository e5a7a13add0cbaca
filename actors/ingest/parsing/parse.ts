import type { DocumentSource } from "../../document_store/document_record.ts";
import { decodeText, type Format, formatOf } from "./format.ts";
import { parseHtml } from "./html.ts";
import { parseMarkdown } from "./markdown.ts";
import { type ParsedText, ParseFailure, type ParseLimits } from "./parsed_text.ts";
import { parsePlainText } from "./plain_text.ts";

/**
 * Reads a document into blocks, each format by the library made for it. Runs in a worker: a document may keep the
 * parser busy for ever, and then the thread is ended. @throws ParseFailure
 */
export async function parseDocument(source: DocumentSource, limits: ParseLimits): Promise<ParsedText> {
  try {
    return source.kind === "text" ? parseText(source.text, source.format, limits) : await parseFile(source, limits);
  } catch (thrown) {
    if (thrown instanceof ParseFailure) throw thrown;
    // The stack ran out, or an array would have been too long; anything else is a parser's own complaint.
    throw new ParseFailure(
      thrown instanceof RangeError ? "The document is nested too deep or too large" : "The document is damaged",
      thrown,
    );
  }
}

async function parseFile(source: Extract<DocumentSource, { kind: "file" }>, limits: ParseLimits): Promise<ParsedText> {
  const format = formatOf(source);
  switch (format) {
    // Loaded when the first such file comes: they are most of a worker's memory and start.
    case "pdf":
      return (await import("./pdf.ts")).parsePdf(source.bytes, limits);
    case "docx":
      return (await import("./docx.ts")).parseDocx(source.bytes, limits);
    default:
      return parseText(decodeText(source.bytes), format, limits);
  }
}

function parseText(text: string, format: Exclude<Format, "pdf" | "docx">, limits: ParseLimits): ParsedText {
  if (format === "markdown") return parseMarkdown(text, limits);
  if (format === "html") return parseHtml(text, limits);
  return parsePlainText(text, limits);
}
