/** Tokens in a text, by the collection's model. */
export type CountTokens = (text: string) => number;

/** A stretch of the parsed text that is kept whole, with what it costs. Offsets are UTF-16 units; neither end is white space. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
}

/**
 * Tokenisers call a word of any length that they do not know one token. Beyond this many characters a token, a text
 * counts by its length, so that no chunk grows without bound.
 */
const MAX_CHARACTERS_PER_TOKEN = 12;

/** Texts of white-space-separated parts cost at most what their parts cost together. */
export function measure(text: string, countTokens: CountTokens): number {
  return Math.max(countTokens(text), Math.ceil(text.length / MAX_CHARACTERS_PER_TOKEN));
}

/** Cuts `text[start, end)` into pieces of at most `maxTokens`: at sentences, then at words, and inside a word only where it alone is too long. */
export function cutPieces(text: string, start: number, end: number, maxTokens: number, countTokens: CountTokens): Piece[] {
  const pieces: Piece[] = [];
  for (const sentence of sentencesOf(text, start, end)) {
    const tokens = measure(text.slice(sentence.start, sentence.end), countTokens);
    if (tokens <= maxTokens) pieces.push({ ...sentence, tokens });
    else cutSentence(text, sentence.start, sentence.end, maxTokens, countTokens, pieces);
  }
  return pieces;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** A sentence ends at its mark before white space or at a line's end; scripts without spaces end theirs at the mark. */
function* sentencesOf(text: string, start: number, end: number): Generator<Span> {
  const boundary = /[.!?…]+["'”’)\]]*(?=\s)|[。！？]+[」』）]*|\n+/gu;
  boundary.lastIndex = start;
  let from = start;
  for (;;) {
    const match = boundary.exec(text);
    const to = match === null ? end : Math.min(end, match.index + match[0].length);
    const span = trim(text, from, to);
    if (span !== null) yield span;
    if (match === null || to >= end) return;
    from = to;
  }
}

function cutSentence(text: string, start: number, end: number, maxTokens: number, countTokens: CountTokens, pieces: Piece[]): void {
  let open: { start: number; end: number; tokens: number } | null = null;
  for (const word of wordsOf(text, start, end)) {
    const tokens = measure(text.slice(word.start, word.end), countTokens);
    if (open !== null && open.tokens + tokens <= maxTokens) {
      open.end = word.end;
      open.tokens += tokens;
      continue;
    }
    if (open !== null) pieces.push(open);
    open = null;
    if (tokens <= maxTokens) open = { start: word.start, end: word.end, tokens };
    else cutWord(text, word.start, word.end, maxTokens, countTokens, pieces);
  }
  if (open !== null) pieces.push(open);
}

/** Halves until it fits, never inside a code point; one code point stays whole whatever it costs. */
function cutWord(text: string, start: number, end: number, maxTokens: number, countTokens: CountTokens, pieces: Piece[]): void {
  const tokens = measure(text.slice(start, end), countTokens);
  let middle = (start + end) >>> 1;
  if (isLowSurrogate(text, middle)) middle += 1;
  if (tokens <= maxTokens || middle <= start || middle >= end) {
    pieces.push({ start, end, tokens });
    return;
  }
  cutWord(text, start, middle, maxTokens, countTokens, pieces);
  cutWord(text, middle, end, maxTokens, countTokens, pieces);
}

export function* wordsOf(text: string, start: number, end: number): Generator<Span> {
  const word = /\S+/g;
  word.lastIndex = start;
  for (let match = word.exec(text); match !== null && match.index < end; match = word.exec(text)) {
    yield { start: match.index, end: Math.min(end, match.index + match[0].length) };
  }
}

/** The span without white space at its ends; null when nothing else is in it. */
function trim(text: string, start: number, end: number): Span | null {
  let from = start;
  let to = end;
  while (from < to && isSpace(text, from)) from += 1;
  while (to > from && isSpace(text, to - 1)) to -= 1;
  return from === to ? null : { start: from, end: to };
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 32 || (code >= 9 && code <= 13) || (code >= 0xa0 && /\s/.test(text.charAt(at)));
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}
