import type { Block } from "./block.ts";

/** Counts the tokens of the embedding model. */
export type CountTokens = (text: string) => number;

/** A stretch of the document's text that is not cut unless it must be: a block, a sentence, or a piece of a long one. */
export interface Unit {
  /** UTF-16 offsets into the document's text. */
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
  /** Level 1..6 of the heading that this unit is; 0: it is none. */
  readonly headingLevel: number;
  /** The headings above this unit, outermost first; a heading does not stand in its own path. */
  readonly headingPath: readonly string[];
}

const BLOCK_SEPARATOR = "\n\n";

/** The document's text and its units: blocks where they fit, else sentences, else runs of words, else pieces of a word. */
export function unitsOf(blocks: readonly Block[], maxTokens: number, countTokens: CountTokens): { text: string; units: Unit[] } {
  const units: Unit[] = [];
  const path: { readonly level: number; readonly text: string }[] = [];
  let text = "";
  for (const block of blocks) {
    if (text !== "") text += BLOCK_SEPARATOR;
    const start = text.length;
    text += block.text;
    if (block.kind === "heading") {
      while (path.length > 0 && (path.at(-1)?.level ?? 0) >= block.level) path.pop();
    }
    const headingPath = path.map((heading) => heading.text);
    for (const piece of splitToFit(block.text, maxTokens, countTokens)) {
      units.push({
        start: start + piece.start,
        end: start + piece.end,
        tokens: piece.tokens,
        headingLevel: block.kind === "heading" ? block.level : 0,
        headingPath,
      });
    }
    if (block.kind === "heading") path.push({ level: block.level, text: block.text });
  }
  return { text, units };
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
}

const SENTENCES = new Intl.Segmenter(undefined, { granularity: "sentence" });

function splitToFit(text: string, maxTokens: number, countTokens: CountTokens): Piece[] {
  const tokens = countTokens(text);
  if (tokens <= maxTokens) return [{ start: 0, end: text.length, tokens }];
  const pieces: Piece[] = [];
  for (const sentence of SENTENCES.segment(text)) {
    const piece = trimmed(text, sentence.index, sentence.index + sentence.segment.length);
    if (piece === null) continue;
    const count = countTokens(text.slice(piece.start, piece.end));
    if (count <= maxTokens) pieces.push({ ...piece, tokens: count });
    else pieces.push(...splitSentence(text, piece.start, piece.end, maxTokens, countTokens));
  }
  return pieces;
}

/** Runs of words that fit; tokens never cross white space, so the counts of words add up. */
function splitSentence(text: string, start: number, end: number, maxTokens: number, countTokens: CountTokens): Piece[] {
  const pieces: Piece[] = [];
  let open: Piece | null = null;
  for (const word of text.slice(start, end).matchAll(/\S+/gu)) {
    const wordStart = start + word.index;
    const tokens = countTokens(word[0]);
    if (tokens > maxTokens) {
      if (open !== null) pieces.push(open);
      open = null;
      pieces.push(...splitWord(text, wordStart, wordStart + word[0].length, maxTokens, countTokens));
    } else if (open !== null && open.tokens + tokens <= maxTokens) {
      open = { start: open.start, end: wordStart + word[0].length, tokens: open.tokens + tokens };
    } else {
      if (open !== null) pieces.push(open);
      open = { start: wordStart, end: wordStart + word[0].length, tokens };
    }
  }
  if (open !== null) pieces.push(open);
  return pieces;
}

/** Halves of a word, halved again until they fit; never between the halves of a surrogate pair. A single code point is kept whatever it counts. */
function splitWord(text: string, start: number, end: number, maxTokens: number, countTokens: CountTokens): Piece[] {
  const tokens = countTokens(text.slice(start, end));
  if (tokens <= maxTokens) return [{ start, end, tokens }];
  let middle = start + Math.floor((end - start) / 2);
  if (isLowSurrogate(text.charCodeAt(middle))) middle += middle + 1 < end ? 1 : -1;
  if (middle <= start || middle >= end) return [{ start, end, tokens }];
  return [...splitWord(text, start, middle, maxTokens, countTokens), ...splitWord(text, middle, end, maxTokens, countTokens)];
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function trimmed(text: string, start: number, end: number): { start: number; end: number } | null {
  const segment = text.slice(start, end);
  const body = segment.trim();
  if (body === "") return null;
  const lead = segment.length - segment.trimStart().length;
  return { start: start + lead, end: start + lead + body.length };
}
