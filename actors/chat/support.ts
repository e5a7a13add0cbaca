import { visibleText } from "../language_model/quoting.ts";

/** Whether a passage says what it is cited for, and where. Ranges are in UTF-16 units of the passage's text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Share of a statement's words that a passage's sentence must have. */
const MIN_SHARED_WORDS = 0.5;
const MIN_WORD_LENGTH = 3;

/** Where `quotation` stands in `text`; case, spacing, quotation marks and invisible characters do not count. Null: nowhere. */
export function findQuotation(text: string, quotation: string): Span | null {
  const wanted = fold(quotation).text.trim();
  if (wanted.length < MIN_WORD_LENGTH) return null;
  const folded = fold(text);
  const at = folded.text.indexOf(wanted);
  if (at === -1) return null;
  return { start: folded.places[at] as number, end: (folded.places[at + wanted.length - 1] as number) + 1 };
}

/** The sentence of `text` that shares most words with `statement`, at least half of the statement's; null: none does. */
export function findSupport(text: string, statement: string): Span | null {
  const words = new Set(wordsOf(statement));
  if (words.size === 0) return null;
  let best: Span | null = null;
  let most = words.size * MIN_SHARED_WORDS;
  for (const { index, 0: sentence } of text.matchAll(/[^.!?\n]+[.!?]*/g)) {
    const shared = new Set(wordsOf(sentence).filter((word) => words.has(word))).size;
    if (shared < most || (best !== null && shared === most)) continue;
    most = shared;
    const start = index + (sentence.length - sentence.trimStart().length);
    best = { start, end: index + sentence.trimEnd().length };
  }
  return best;
}

function wordsOf(text: string): readonly string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => word.length >= MIN_WORD_LENGTH);
}

/** Lower case, one space for any, one kind of quotation marks; with the place in the original of every unit. */
function fold(text: string): { readonly text: string; readonly places: readonly number[] } {
  const places: number[] = [];
  let folded = "";
  let at = 0;
  for (const character of text) {
    const isSpace = /\s/.test(character) && character !== "\ufeff";
    const isPlain = character > " " && character <= "~";
    const isUnseen = !isSpace && !isPlain && visibleText(character) === ""; // the model has read the passage without it
    if (!isUnseen && !(isSpace && folded.endsWith(" "))) {
      const seen = isSpace ? " " : /["“”„«»]/.test(character) ? '"' : /[‘’]/.test(character) ? "'" : character.toLowerCase();
      for (let part = 0; part < seen.length; part++) places.push(at + Math.min(part, character.length - 1));
      folded += seen;
    }
    at += character.length;
  }
  return { text: folded, places };
}
