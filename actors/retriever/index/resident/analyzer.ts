import { LRUCache } from "lru-cache";
import { kennelError } from "../../../../runtime/errors.ts";

type Stem = (word: string) => string;

interface Language {
  readonly stemmer: () => Promise<{ readonly stemmer: Stem }>;
  readonly stopWords: () => Promise<{ readonly stopwords: readonly string[] }>;
}

/** Lucene's English stop words: few, so that "to have and have not" is the most that a query can lose. */
// biome-ignore format: a list
const ENGLISH_STOP_WORDS = [
  "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of", "on", "or", "such",
  "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
];

/** Each language is loaded when the first collection asks for it. */
// biome-ignore format: a table reads best as one
const LANGUAGES: Readonly<Record<string, Language>> = {
  arabic:     { stemmer: () => import("@orama/stemmers/arabic"),     stopWords: () => import("@orama/stopwords/arabic") },
  danish:     { stemmer: () => import("@orama/stemmers/danish"),     stopWords: () => import("@orama/stopwords/danish") },
  dutch:      { stemmer: () => import("@orama/stemmers/dutch"),      stopWords: () => import("@orama/stopwords/dutch") },
  english:    { stemmer: () => import("@orama/stemmers/english"),    stopWords: async () => ({ stopwords: ENGLISH_STOP_WORDS }) },
  finnish:    { stemmer: () => import("@orama/stemmers/finnish"),    stopWords: () => import("@orama/stopwords/finnish") },
  french:     { stemmer: () => import("@orama/stemmers/french"),     stopWords: () => import("@orama/stopwords/french") },
  german:     { stemmer: () => import("@orama/stemmers/german"),     stopWords: () => import("@orama/stopwords/german") },
  greek:      { stemmer: () => import("@orama/stemmers/greek"),      stopWords: () => import("@orama/stopwords/greek") },
  hungarian:  { stemmer: () => import("@orama/stemmers/hungarian"),  stopWords: () => import("@orama/stopwords/hungarian") },
  italian:    { stemmer: () => import("@orama/stemmers/italian"),    stopWords: () => import("@orama/stopwords/italian") },
  norwegian:  { stemmer: () => import("@orama/stemmers/norwegian"),  stopWords: () => import("@orama/stopwords/norwegian") },
  portuguese: { stemmer: () => import("@orama/stemmers/portuguese"), stopWords: () => import("@orama/stopwords/portuguese") },
  romanian:   { stemmer: () => import("@orama/stemmers/romanian"),   stopWords: () => import("@orama/stopwords/romanian") },
  russian:    { stemmer: () => import("@orama/stemmers/russian"),    stopWords: () => import("@orama/stopwords/russian") },
  spanish:    { stemmer: () => import("@orama/stemmers/spanish"),    stopWords: () => import("@orama/stopwords/spanish") },
  swedish:    { stemmer: () => import("@orama/stemmers/swedish"),    stopWords: () => import("@orama/stopwords/swedish") },
  tamil:      { stemmer: () => import("@orama/stemmers/tamil"),      stopWords: () => import("@orama/stopwords/tamil") },
  turkish:    { stemmer: () => import("@orama/stemmers/turkish"),    stopWords: () => import("@orama/stopwords/turkish") },
};

/** No stemming and no stop words. */
const NO_LANGUAGE = "none";
export const ANALYZED_LANGUAGES: readonly string[] = Object.keys(LANGUAGES);

// Letters and digits of any script, and the marks that some scripts write their vowels with.
const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const ACCENT = /\p{Mn}/gu;
const ASCII_TERM = /^[a-z0-9]*$/;
/** A longer word is a hash or a data URL: nobody asks for it, and it would bloat the term map. */
const MAX_WORD_LENGTH = 64;
// About 3 MB when full.
const MAX_CACHED_WORDS = 32_768;

/** A text's terms and how often each stands in it; `length` counts the terms with repeats. */
export interface AnalyzedText {
  readonly counts: ReadonlyMap<string, number>;
  readonly length: number;
}

/** Turns texts into the terms that the lexical side counts: words in lower case, without stop words, stemmed, accents folded. */
export class Analyzer {
  readonly language: string;
  readonly #stem: Stem;
  readonly #stopWords: ReadonlySet<string>;
  /** By word; the empty term stands for a word that is left out. */
  readonly #terms = new LRUCache<string, string>({ max: MAX_CACHED_WORDS });

  constructor(language: string, stem: Stem, stopWords: ReadonlySet<string>) {
    this.language = language;
    this.#stem = stem;
    this.#stopWords = stopWords;
  }

  analyze(text: string): AnalyzedText {
    const counts = new Map<string, number>();
    let length = 0;
    for (const word of text.normalize("NFC").toLowerCase().match(WORD) ?? []) {
      const term = this.#termOf(word);
      if (term === "") continue;
      counts.set(term, (counts.get(term) ?? 0) + 1);
      length++;
    }
    return { counts, length };
  }

  #termOf(word: string): string {
    if (word.length > MAX_WORD_LENGTH) return "";
    const known = this.#terms.get(word);
    if (known !== undefined) return known;
    const term = this.#stopWords.has(word) ? "" : fold(this.#stem(word));
    // A slice of a long text would keep the whole text alive; this copy is a string of its own.
    this.#terms.set(` ${word}`.slice(1), ` ${term}`.slice(1));
    return term;
  }
}

/** @throws KennelError `invalid_request` for a language that is not known here */
export async function loadAnalyzer(language: string): Promise<Analyzer> {
  if (language === NO_LANGUAGE) return new Analyzer(language, (word) => word, new Set());
  const known = Object.hasOwn(LANGUAGES, language) ? LANGUAGES[language] : undefined;
  if (known === undefined) {
    throw kennelError("invalid_request", {
      param: "language",
      message: `language is ${JSON.stringify(language.slice(0, 64))}; allowed: ${[NO_LANGUAGE, ...ANALYZED_LANGUAGES].join(", ")}`,
    });
  }
  const [{ stemmer }, { stopwords }] = await Promise.all([known.stemmer(), known.stopWords()]);
  return new Analyzer(language, stemmer, new Set(stopwords.map((word) => word.normalize("NFC").toLowerCase())));
}

/** `é` is `e` for the index; a stemmer before it still sees the accent, which some languages' endings need. */
function fold(term: string): string {
  return ASCII_TERM.test(term) ? term : term.normalize("NFD").replace(ACCENT, "").normalize("NFC");
}
