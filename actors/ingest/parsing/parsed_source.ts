/** A passage that belongs together, in reading order. Its text has no leading or trailing white space and is not empty. */
export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly text: string }
  | { readonly kind: "paragraph" | "list" | "table" | "code"; readonly text: string };

/** What a parser makes of a document, whatever its format. */
export interface ParsedSource {
  /** What the document calls itself; empty where it does not. */
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** What one document may cost. */
export interface ParseLimits {
  /** The document as it was sent. */
  readonly maxDocumentBytes: number;
  /** UTF-16 units of the text made from it. */
  readonly maxTextCharacters: number;
  /** Files within one DOCX. */
  readonly maxArchiveEntries: number;
  /** Everything that is packed within one document, unpacked. */
  readonly maxUnpackedBytes: number;
  /** Pages of one PDF. */
  readonly maxPages: number;
}

/** A document that cannot be parsed, with a sentence for whoever sent it. It fails that document and no other. */
export class UnparsableError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "UnparsableError";
  }
}

/** Collects blocks and refuses text beyond the limit while it grows, not after. */
export class BlockCollector {
  readonly blocks: Block[] = [];
  readonly #maxCharacters: number;
  #characters = 0;

  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters;
  }

  add(block: Block): void {
    const text = cleanText(block.text);
    if (text === "") return;
    this.#characters += text.length;
    if (this.#characters > this.#maxCharacters) throw new UnparsableError(`Its text is longer than ${this.#maxCharacters} characters`);
    this.blocks.push({ ...block, text });
  }
}

/** Well-formed Unicode without NUL (no store keeps it), lines ended by LF, nothing but text at both ends. */
export function cleanText(text: string): string {
  const plain = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  return plain.replaceAll("\u0000", " ").toWellFormed().trim();
}
