import type { Chunk, Chunking, ParentPassage } from "../../document_store/document_store.ts";
import type { Block, ParsedSource } from "../parsing/parsed_source.ts";
import { type CountTokens, cutPieces, measure, type Piece, wordsOf } from "./pieces.ts";

// Invariants:
//   K1. Every character of the text that is not white space lies in a chunk; chunks come in the text's order.
//   K2. `chunk.text` is exactly `text.slice(startOffset, endOffset)`.
//   K3. No chunk costs more than `maxTokens`, overlap included; only a single code point could.
//   K4. Title and heading path are in `indexText` alone.

/** A heading begins a new chunk once the open one has at least this part of `maxTokens`; smaller sections stay together. */
const SECTION_FILL = 0.25;

export interface ChunkedText {
  readonly text: string;
  readonly chunks: readonly Chunk[];
  readonly parents: readonly ParentPassage[];
}

/**
 * Cuts a document into chunks that end where sentences, paragraphs and sections do.
 * @param title goes before each chunk for indexing; alone it makes one chunk with an empty passage
 */
export function chunkDocument(id: string, title: string, source: ParsedSource, chunking: Chunking, countTokens: CountTokens): ChunkedText {
  const { text, sections } = layOut(source.blocks);
  if (text === "") return { text, chunks: title === "" ? [] : [toChunk(id, 0, null, title, text, WHOLE_TITLE)], parents: [] };
  const chunker = new Chunker(text, chunking, countTokens);
  const parents: ParentPassage[] = [];
  const chunks: Chunk[] = [];
  for (const passage of chunker.passages(sections)) {
    const parentId = chunking.parentTokens > 0 ? `${id}#p${parents.length}` : null;
    if (parentId !== null) parents.push({ id: parentId, text: text.slice(passage.start, passage.end) });
    for (const span of passage.spans) chunks.push(toChunk(id, chunks.length, parentId, title, text, span));
  }
  return { text, chunks, parents };
}

/** Blocks that stand under one heading; the heading is its first block. */
interface Section {
  /** The headings above it, outermost first, without its own. */
  readonly above: readonly string[];
  readonly heading: string | null;
  readonly start: number;
  readonly blocks: { readonly start: number; readonly end: number }[];
}

interface Span {
  readonly start: number;
  readonly end: number;
  readonly headings: readonly string[];
}

interface Passage {
  readonly start: number;
  readonly end: number;
  readonly spans: readonly Span[];
}

const WHOLE_TITLE: Span = { start: 0, end: 0, headings: [] };

function toChunk(id: string, ordinal: number, parentId: string | null, title: string, text: string, span: Span): Chunk {
  const passage = text.slice(span.start, span.end);
  const path = span.headings.filter((heading, place) => place > 0 || heading !== title);
  const indexText = [title, path.join(" > "), passage].filter((part) => part !== "").join("\n");
  return { id: `${id}#${ordinal}`, ordinal, parentId, text: passage, indexText, startOffset: span.start, endOffset: span.end };
}

function layOut(blocks: readonly Block[]): { text: string; sections: Section[] } {
  const parts: string[] = [];
  const sections: Section[] = [];
  const path: { level: number; text: string }[] = [];
  let length = 0;
  let section: Section = { above: [], heading: null, start: 0, blocks: [] };
  for (const block of blocks) {
    const start = length === 0 ? 0 : length + 2;
    if (block.kind === "heading") {
      if (section.blocks.length > 0) sections.push(section);
      while ((path.at(-1)?.level ?? 0) >= block.level) path.pop();
      section = { above: path.map((heading) => heading.text), heading: block.text, start, blocks: [] };
      path.push({ level: block.level, text: block.text });
    }
    section.blocks.push({ start, end: start + block.text.length });
    parts.push(block.text);
    length = start + block.text.length;
  }
  if (section.blocks.length > 0) sections.push(section);
  return { text: parts.join("\n\n"), sections };
}

class Chunker {
  readonly #text: string;
  readonly #chunking: Chunking;
  readonly #countTokens: CountTokens;

  constructor(text: string, chunking: Chunking, countTokens: CountTokens) {
    this.#text = text;
    this.#chunking = chunking;
    this.#countTokens = countTokens;
  }

  /** Parents with the chunks in them; where documents have no parents, one passage holds all chunks. */
  passages(sections: readonly Section[]): Passage[] {
    const { maxTokens, overlapTokens, parentTokens } = this.#chunking;
    const whole: Span = { start: 0, end: this.#text.length, headings: sections[0]?.above ?? [] };
    const limit = parentTokens > 0 ? parentTokens : maxTokens;
    // Most short documents are one chunk: one count and nothing else.
    if (this.#isShort(limit)) {
      const tokens = measure(this.#text, this.#countTokens);
      if (tokens <= maxTokens) return [{ ...whole, spans: [whole] }];
    }
    const pieces = this.#piecesOf(sections);
    if (parentTokens === 0) return [{ ...whole, spans: this.#pack(pieces, maxTokens, overlapTokens).map(({ span }) => span) }];
    return this.#pack(pieces, Math.max(parentTokens, maxTokens), 0).map((parent) => ({
      ...parent.span,
      spans: this.#pack(parent.pieces, maxTokens, overlapTokens).map(({ span }) => span),
    }));
  }

  #isShort(maxTokens: number): boolean {
    return this.#text.length <= maxTokens * 12;
  }

  #piecesOf(sections: readonly Section[]): PlacedPiece[] {
    const pieces: PlacedPiece[] = [];
    for (const section of sections) {
      const own = section.heading === null ? section.above : [...section.above, section.heading];
      for (const [place, block] of section.blocks.entries()) {
        for (const piece of cutPieces(this.#text, block.start, block.end, this.#chunking.maxTokens, this.#countTokens)) {
          const isHeading = place === 0 && section.heading !== null;
          pieces.push({
            ...piece,
            headings: isHeading ? section.above : own,
            opensSection: isHeading && piece.start === block.start,
            follows: this.#areJoined(pieces.at(-1), piece),
          });
        }
      }
    }
    return pieces;
  }

  /** Two pieces of one word: what they cost together is not what they cost apart, so they are not put together. */
  #areJoined(before: Piece | undefined, piece: Piece): boolean {
    return before !== undefined && before.end === piece.start && !/[。！？」』）]$/u.test(this.#text.slice(before.start, before.end));
  }

  /** Fills up to `maxTokens`, in order; a group begins with what overlaps the one before. */
  #pack(pieces: readonly PlacedPiece[], maxTokens: number, overlapTokens: number): Packed[] {
    const packed: Packed[] = [];
    let open: { start: number; end: number; tokens: number; headings: readonly string[]; pieces: PlacedPiece[] } | null = null;
    for (const piece of pieces) {
      const isNewSection = piece.opensSection && open !== null && open.tokens >= maxTokens * SECTION_FILL;
      if (open !== null && !isNewSection && !piece.follows && open.tokens + piece.tokens <= maxTokens) {
        open.end = piece.end;
        open.tokens += piece.tokens;
        open.pieces.push(piece);
        continue;
      }
      let start = piece.start;
      let tokens = piece.tokens;
      if (open !== null) {
        packed.push({ span: { start: open.start, end: open.end, headings: open.headings }, pieces: open.pieces });
        const room = Math.min(overlapTokens, maxTokens - piece.tokens);
        if (!piece.opensSection && !piece.follows && room > 0) ({ start, tokens } = this.#overlap(open, piece, room));
      }
      open = { start, end: piece.end, tokens, headings: piece.headings, pieces: [piece] };
    }
    if (open !== null) packed.push({ span: { start: open.start, end: open.end, headings: open.headings }, pieces: open.pieces });
    return packed;
  }

  /** The last sentences before `piece` that fit into `room`, or else its last words. */
  #overlap(before: { readonly pieces: readonly PlacedPiece[] }, piece: PlacedPiece, room: number): { start: number; tokens: number } {
    let { start, tokens } = piece;
    let left = room;
    for (const sentence of before.pieces.toReversed()) {
      if (sentence.tokens > left) break;
      left -= sentence.tokens;
      start = sentence.start;
      tokens += sentence.tokens;
      if (sentence.follows) break;
    }
    const last = before.pieces.at(-1);
    if (start !== piece.start || last === undefined) return { start, tokens };
    for (const word of [...wordsOf(this.#text, last.start, last.end)].toReversed()) {
      const cost = measure(this.#text.slice(word.start, word.end), this.#countTokens);
      if (cost > left) break;
      left -= cost;
      start = word.start;
      tokens += cost;
    }
    return { start, tokens };
  }
}

interface PlacedPiece extends Piece {
  readonly headings: readonly string[];
  readonly opensSection: boolean;
  /** It goes on in the word that the piece before began. */
  readonly follows: boolean;
}

interface Packed {
  readonly span: Span;
  readonly pieces: readonly PlacedPiece[];
}
