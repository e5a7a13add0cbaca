/**
 * The first half of BERT's tokenizer (uncased): a text becomes lower-case words without accents, each punctuation mark
 * a word of its own. Steps follow Hugging Face's `BasicTokenizer`.
 */

const PLAIN_ASCII = /^[\t\n\r\x20-\x7e]*$/;
const DROPPED = /[^\P{C}\t\n\r]|\ufffd/gu;
const WHITE_SPACE = /\p{White_Space}/gu;
const IDEOGRAPH =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;
const ACCENT = /\p{Mn}/gu;
const WORD = /[!-/:-@[-`{-~\p{P}]|[^ !-/:-@[-`{-~\p{P}]+/gu;

const LETTER = 0;
const SPACE = 1;
const MARK = 2;

/** What an ASCII character does to the word it stands in; valid for text that `PLAIN_ASCII` accepts. */
const ASCII_KIND = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code <= 32) return SPACE;
  const isMark = code <= 47 || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) || code >= 123;
  return isMark ? MARK : LETTER;
});

/** Words in order, repeats included. Control characters vanish and join their neighbours; symbols such as `€` stay inside their word. */
export function splitWords(text: string): string[] {
  return PLAIN_ASCII.test(text) ? splitAscii(text.toLowerCase()) : (normalise(text).match(WORD) ?? []);
}

function splitAscii(text: string): string[] {
  const words: string[] = [];
  let start = -1;
  for (let at = 0; at < text.length; at++) {
    const kind = ASCII_KIND[text.charCodeAt(at)];
    if (kind === LETTER) {
      if (start < 0) start = at;
      continue;
    }
    if (start >= 0) words.push(text.slice(start, at));
    start = -1;
    if (kind === MARK) words.push(text.charAt(at));
  }
  if (start >= 0) words.push(text.slice(start));
  return words;
}

function normalise(text: string): string {
  return (
    text
      .replace(DROPPED, "")
      .replace(WHITE_SPACE, " ")
      .replace(IDEOGRAPH, " $& ")
      .normalize("NFD")
      .replace(ACCENT, "")
      // A sigma is lower-cased on its own: `toLowerCase` on a whole string gives a word's last sigma another form.
      .replaceAll("\u03a3", "\u03c3")
      .toLowerCase()
  );
}
