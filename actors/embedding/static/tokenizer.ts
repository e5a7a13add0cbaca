import { splitWords } from "./words.ts";

export interface Vocabulary {
  /** Entries that may start a word, by their text. */
  readonly starts: ReadonlyMap<string, number>;
  /** Entries that continue a word, by their text without the leading `##`. */
  readonly continuations: ReadonlyMap<string, number>;
  readonly size: number;
  /** UTF-16 units of the longest entry: no longer piece is worth looking up. */
  readonly longestEntry: number;
}

export interface TokenizerOptions {
  /** Id of `[UNK]`, which stands for a word that can't be put together from the vocabulary. */
  readonly unknownId: number;
  /** A word of more code points is unknown as a whole. */
  readonly maxWordCodePoints: number;
  /** Words whose tokens are remembered, about. */
  readonly maxCachedWords: number;
}

/** One entry a line, `\n` ends each; the line number from 0 is the token's id. */
export function parseVocabulary(text: string): Vocabulary {
  const entries = text.split("\n");
  if (entries.at(-1) === "") entries.pop();
  const starts = new Map<string, number>();
  const continuations = new Map<string, number>();
  let longestEntry = 0;
  for (const [id, entry] of entries.entries()) {
    if (entry.startsWith("##")) continuations.set(entry.slice(2), id);
    else starts.set(entry, id);
    longestEntry = Math.max(longestEntry, entry.length);
  }
  return { starts, continuations, size: entries.length, longestEntry };
}

/** BERT WordPiece, uncased, without `[CLS]` and `[SEP]`. */
export class Tokenizer {
  readonly #vocabulary: Vocabulary;
  readonly #options: TokenizerOptions;
  // Two generations make a bounded cache without a list to keep: what is used again moves from `#old` to `#young`, and
  // when `#young` is full it becomes `#old`, whose unused half is forgotten.
  #young = new Map<string, readonly number[]>();
  #old = new Map<string, readonly number[]>();

  constructor(vocabulary: Vocabulary, options: TokenizerOptions) {
    this.#vocabulary = vocabulary;
    this.#options = options;
  }

  /** Token ids in order, unknown words as `unknownId`. */
  tokenize(text: string): number[] {
    const ids: number[] = [];
    for (const word of splitWords(text)) {
      for (const id of this.#tokensOf(word)) ids.push(id);
    }
    return ids;
  }

  /** How many tokens `tokenize` gives; what a chunker measures with. */
  countTokens(text: string): number {
    let count = 0;
    for (const word of splitWords(text)) count += this.#tokensOf(word).length;
    return count;
  }

  #tokensOf(word: string): readonly number[] {
    const young = this.#young.get(word);
    if (young !== undefined) return young;
    const tokens = this.#old.get(word) ?? this.#pieces(word);
    // A long word is rarely seen twice and its key would make the cache's size in bytes unbounded.
    if (word.length <= this.#options.maxWordCodePoints) this.#remember(word, tokens);
    return tokens;
  }

  #remember(word: string, tokens: readonly number[]): void {
    if (this.#young.size * 2 >= this.#options.maxCachedWords) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    // A slice of a long text would keep the whole text alive; this copy is a string of its own.
    this.#young.set(` ${word}`.slice(1), tokens);
  }

  /** From the left, the longest entry that matches; a word with a part that nothing matches is unknown as a whole. */
  #pieces(word: string): readonly number[] {
    const { starts, continuations, longestEntry } = this.#vocabulary;
    const { unknownId, maxWordCodePoints } = this.#options;
    if (word.length > maxWordCodePoints && [...word].length > maxWordCodePoints) return [unknownId];
    const ids: number[] = [];
    let from = 0;
    while (from < word.length) {
      const entries = from === 0 ? starts : continuations;
      let to = Math.min(word.length, from + longestEntry);
      let id = entries.get(word.slice(from, to));
      while (id === undefined && --to > from) id = entries.get(word.slice(from, to));
      if (id === undefined) return [unknownId];
      ids.push(id);
      from = to;
    }
    return ids;
  }
}
