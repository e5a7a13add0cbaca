import { Buffer } from "node:buffer";

const ELLIPSIS = "…";

/** An upper guess for any tokenizer in use: three bytes of UTF-8 a token. English has about four. */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3);
}

/** Text as a person would see it: without control, format and other invisible characters; tabs and line ends stay. */
export function visibleText(text: string): string {
  return text.toWellFormed().replace(/[^\P{C}\t\n]|[\u{e0100}-\u{e01ef}\ufe00-\ufe0f\u115f\u1160\u3164\uffa0]/gu, "");
}

/** The beginning of a text that fits. */
export function cut(text: string, maxTokens: number): string {
  if (estimateTokens(text) <= maxTokens) return text;
  const bytes = Buffer.from(text).subarray(0, maxTokens * 3 - ELLIPSIS.length * 3);
  return `${bytes.toString("utf8").replace(/\ufffd+$/, "")}${ELLIPSIS}`;
}

/** Text in a tag of this name; such tags within it are taken apart, so that none can end it. */
export function enclose(tag: string, text: string, attributes = ""): string {
  const inner = visibleText(text).replace(new RegExp(`<(?=\\s*/?\\s*${tag})`, "gi"), "‹");
  return `<${tag}${attributes}>\n${inner}\n</${tag}>`;
}
