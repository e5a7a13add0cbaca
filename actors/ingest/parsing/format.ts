import { ParseFailure } from "./parsed_text.ts";

export type Format = "text" | "markdown" | "html" | "pdf" | "docx";

const BY_MEDIA_TYPE: Readonly<Record<string, Format>> = {
  "text/plain": "text",
  "text/markdown": "markdown",
  "text/x-markdown": "markdown",
  "text/html": "html",
  "application/xhtml+xml": "html",
  "application/pdf": "pdf",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
};
/** Of files that are fetched: what is not among them is not read, whatever its name. */
export const READABLE_MEDIA_TYPES: readonly string[] = Object.keys(BY_MEDIA_TYPE);

/** @param contentType with parameters, or without */
export function isReadableMediaType(contentType: string): boolean {
  return Object.hasOwn(BY_MEDIA_TYPE, mediaTypeOf(contentType));
}

const mediaTypeOf = (contentType: string) => contentType.split(";")[0]?.trim().toLowerCase() ?? "";

const BY_EXTENSION: Readonly<Record<string, Format>> = {
  txt: "text",
  text: "text",
  log: "text",
  md: "markdown",
  markdown: "markdown",
  html: "html",
  htm: "html",
  xhtml: "html",
  pdf: "pdf",
  docx: "docx",
};

/**
 * What a file is: by its first bytes where they tell, then by its name, then by its media type. A media type that
 * names nothing we read (`application/octet-stream`) is no evidence; bytes that are UTF-8 then count as text.
 */
export function formatOf(file: { readonly mediaType: string; readonly fileName: string; readonly bytes: Uint8Array }): Format {
  if (startsWith(file.bytes, "%PDF-")) return "pdf";
  const extension = /\.([^./\\]+)$/.exec(file.fileName)?.[1]?.toLowerCase() ?? "";
  const named = BY_EXTENSION[extension] ?? BY_MEDIA_TYPE[mediaTypeOf(file.mediaType)];
  if (named === "pdf") throw new ParseFailure("The file is called a PDF and is none");
  if (startsWith(file.bytes, "PK\u0003\u0004")) {
    if (named === undefined || named === "docx") return "docx";
    throw new ParseFailure(`The file is called ${named} and is an archive`);
  }
  if (named === "docx") throw new ParseFailure("The file is called a DOCX and is none");
  return named ?? "text";
}

function startsWith(bytes: Uint8Array, ascii: string): boolean {
  return bytes.length >= ascii.length && [...ascii].every((letter, index) => bytes[index] === letter.charCodeAt(0));
}

/** UTF-8, or UTF-16 where a byte order mark says so. */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ParseFailure("The file is no text in UTF-8, and no PDF or DOCX", cause);
  }
}

/** A file of JSON lines is not one document but one a line. */
export function isJsonLines(file: { readonly mediaType: string; readonly fileName: string }): boolean {
  const mediaType = mediaTypeOf(file.mediaType);
  const isStated = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"].includes(mediaType);
  return isStated || /\.(jsonl|ndjson)$/i.test(file.fileName);
}
