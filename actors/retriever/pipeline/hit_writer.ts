import type { ScoreType } from "../search.ts";
import type { ListName } from "./refine.ts";

const encoder = new TextEncoder();
const [ZERO, MINUS, POINT, COMMA, CLOSE] = [0x30, 0x2d, 0x2e, 0x2c, 0x7d];
const DECIMALS = 6;
const SCALE = 10 ** DECIMALS;
/** Scores beyond are written by the runtime: their digits would not be exact here. */
const MAX_EXACT = 1_000_000_000;
/** Longest number: sign, digits, point and exponent of a double. */
const MAX_NUMBER_BYTES = 32;

/** What a number or an object of numbers in a hit begins with, as bytes. */
interface Key {
  readonly bytes: Uint8Array;
}

function key(text: string): Key {
  return { bytes: encoder.encode(text) };
}

const SCORE = key(',"score":');
const RANKS = key(',"ranks":{');
const SCORES = key(',"scores":{');
const FUSED = key('"fused":');
/** As many as there are legs of a query. */
const OF_LIST = new Map<ListName, Key>();
const OF_TYPE: Readonly<Record<ScoreType, Key>> = {
  weighted: key(',"score_type":"weighted"'),
  rrf: key(',"score_type":"rrf"'),
  cosine: key(',"score_type":"cosine"'),
  bm25: key(',"score_type":"bm25"'),
  rerank: key(',"score_type":"rerank"'),
};

/** Room for the numbers of one hit: what it has anyway, and for each list a rank and a score. */
const MAX_OWN_BYTES = 80 + 2 * MAX_NUMBER_BYTES;
const MAX_LIST_BYTES = 40 + 2 * MAX_NUMBER_BYTES;

function keyOfList(name: ListName): Key {
  const known = OF_LIST.get(name);
  if (known !== undefined) return known;
  const made = key(`"${name}":`);
  OF_LIST.set(name, made);
  return made;
}

/** What of a hit's numbers is written. */
export interface TailParts {
  readonly ranks: boolean;
  readonly scores: boolean;
}

/** The numbers of a hit. */
export interface TailNumbers {
  readonly score: number;
  readonly fused: number;
  /** 0: the list does not have the hit. */
  readonly ranks: readonly number[];
  readonly raw: readonly number[];
}

/** Writes the numbers of hits, each from its score to the closing brace, one behind the other. No string is made on the way. */
export class TailWriter {
  readonly bytes: Uint8Array;
  at = 0;
  readonly #type: Key;
  readonly #lists: readonly Key[];
  readonly #parts: TailParts;

  /** @param hits that will be written, at most */
  constructor(hits: number, type: ScoreType, lists: readonly ListName[], parts: TailParts) {
    this.bytes = new Uint8Array(hits * (MAX_OWN_BYTES + lists.length * MAX_LIST_BYTES));
    this.#type = OF_TYPE[type];
    this.#lists = lists.map(keyOfList);
    this.#parts = parts;
  }

  write({ score, fused, ranks, raw }: TailNumbers): void {
    this.#key(SCORE);
    this.#number(score);
    this.#key(this.#type);
    const { length } = this.#lists;
    if (this.#parts.ranks) {
      this.#key(RANKS);
      let isFirst = true;
      for (let list = 0; list < length; list++) {
        if ((ranks[list] ?? 0) === 0) continue;
        if (!isFirst) this.bytes[this.at++] = COMMA;
        isFirst = false;
        this.#key(this.#lists[list] as Key);
        this.#integer(ranks[list] as number);
      }
      this.bytes[this.at++] = CLOSE;
    }
    if (this.#parts.scores) {
      this.#key(SCORES);
      for (let list = 0; list < length; list++) {
        if ((ranks[list] ?? 0) === 0) continue;
        this.#key(this.#lists[list] as Key);
        this.#number(raw[list] ?? 0);
        this.bytes[this.at++] = COMMA;
      }
      this.#key(FUSED);
      this.#number(fused);
      this.bytes[this.at++] = CLOSE;
    }
    this.bytes[this.at++] = CLOSE;
  }

  #key({ bytes }: Key): void {
    for (let from = 0; from < bytes.length; from++) this.bytes[this.at++] = bytes[from] as number;
  }

  /** Six digits after the point, without zeros at the end: more than single precision knows, and it keeps the order. */
  #number(value: number): void {
    const scaled = Math.round(value * SCALE);
    if (!(Math.abs(scaled) < MAX_EXACT * SCALE)) {
      this.#key(key(JSON.stringify(scaled / SCALE)));
      return;
    }
    if (scaled < 0) this.bytes[this.at++] = MINUS;
    const whole = Math.abs(scaled);
    const left = Math.trunc(whole / SCALE);
    this.#integer(left);
    // Both parts fit into 31 bits, and `| 0` tells the compiler so: remainders of doubles take ten times as long.
    let right = (whole - left * SCALE) | 0;
    if (right === 0) return;
    this.bytes[this.at++] = POINT;
    let digits = DECIMALS;
    while (right % 10 === 0) {
      right = (right / 10) | 0;
      digits--;
    }
    this.#digits(right, digits);
  }

  /** @param value 0 or above, below 2^31 */
  #integer(value: number): void {
    let digits = 1;
    for (let rest = value | 0; rest >= 10; rest = (rest / 10) | 0) digits++;
    this.#digits(value | 0, digits);
  }

  #digits(value: number, digits: number): void {
    let rest = value;
    for (let place = digits - 1; place >= 0; place--) {
      this.bytes[this.at + place] = ZERO + (rest % 10);
      rest = (rest / 10) | 0;
    }
    this.at += digits;
  }
}
