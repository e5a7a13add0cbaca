import type { Block } from "../chunking/block.ts";

export interface ParsedText {
  /** What the document calls itself; empty where it does not say. */
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** Bounds of one document; a document beyond one fails with a reason that says which. */
export interface ParseLimits {
  readonly maxTextCharacters: number;
  /** Files inside a DOCX. */
  readonly maxArchiveEntries: number;
  /** All files of a DOCX, or all streams of a PDF, unpacked. */
  readonly maxUnpackedBytes: number;
  /** Pages of a PDF. */
  readonly maxPages: number;
}

/** Why a document can't be parsed, in words for whoever sent it. */
export class ParseFailure extends Error {
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = "ParseFailure";
  }
}

/** Collects blocks in reading order; refuses text beyond the limit while it grows, not after. */
export class BlockList {
  readonly #maxCharacters: number;
  readonly #blocks: Block[] = [];
  #characters = 0;

  constructor(limits: ParseLimits) {
    this.#maxCharacters = limits.maxTextCharacters;
  }

  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  /** Leaves out a text that is empty once trimmed. */
  add(kind: Block["kind"], text: string, level = 0): void {
    const body = cleanText(text);
    if (body === "") return;
    this.#characters += body.length;
    if (this.#characters > this.#maxCharacters) throw new ParseFailure(`The text is longer than ${this.#maxCharacters} characters`);
    this.#blocks.push({ kind, level, text: body });
  }

  /** The text of the first heading of level 1. */
  get firstTitle(): string {
    return this.#blocks.find((block) => block.kind === "heading" && block.level === 1)?.text ?? "";
  }
}

/** Well-formed Unicode without NUL (a store would end the text there), lines ended by LF, nothing but text at both ends. */
export function cleanText(text: string): string {
  const lines = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  return lines.replaceAll("\u0000", " ").toWellFormed().trim();
}
