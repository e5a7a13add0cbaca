/**
 * Where a passage speaks the question's words, so that a reader sees why it was found. A rough match on word beginnings:
 * it decorates the text and says nothing about ranking.
 */

const PASSED_OVER = new Set(
  "a an and are as at be but by can do does for from has have how i if in into is it its not of on or that the their then there these they this to was what when where which who why will with".split(
    " ",
  ),
);
const ENDING = /(?:ings?|edly|ed|ies|es|s|e|y)$/u;
const WORD = /[\p{L}\p{N}]+/gu;

/**
 * @param {string} word
 * @returns {string} its beginning, shared by its common forms: `restarts`, `restarted` -> `restart`
 */
function beginning(word) {
  const lower = word.toLowerCase();
  const cut = lower.replace(ENDING, "");
  return cut.length >= 3 ? cut : lower;
}

/**
 * Cuts a text into parts whose concatenation is the text.
 * @param {string} text
 * @param {string} query
 * @returns {{ text: string, isMatch: boolean }[]}
 */
export function highlightParts(text, query) {
  const wanted = new Set(
    (query.match(WORD) ?? [])
      .slice(0, 200)
      .map((word) => word.toLowerCase())
      .filter((word) => word.length > 1 && !PASSED_OVER.has(word))
      .map(beginning),
  );
  if (wanted.size === 0) return text === "" ? [] : [{ text, isMatch: false }];
  /** @type {{ text: string, isMatch: boolean }[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    if (!wanted.has(beginning(match[0]))) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index), isMatch: false });
    parts.push({ text: match[0], isMatch: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), isMatch: false });
  return parts;
}
