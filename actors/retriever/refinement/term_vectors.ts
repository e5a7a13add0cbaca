/** Characters of a text that are looked at. */
const MAX_LENGTH = 4_000;

/** Weights of a text's terms, which are numbered among the texts'; of unit length, or empty. */
export interface TermVector {
  readonly terms: Uint32Array;
  readonly weights: Float64Array;
}

/**
 * Terms of texts by how often they stand in each, (1 + ln tf), and how few of these texts have them, ln(1 + n / df): what all
 * of them say tells none from another.
 */
export function termVectors(texts: readonly string[]): readonly TermVector[] {
  const numbers = new Map<string, number>();
  const documents: number[] = [];
  const counts = texts.map((text) => {
    const count = new Map<number, number>();
    for (const [term, times] of countTerms(text)) {
      const number = numbers.get(term) ?? numbers.size;
      numbers.set(term, number);
      documents[number] = (documents[number] ?? 0) + 1;
      count.set(number, times);
    }
    return count;
  });
  return counts.map((count) => weighted(count, (term) => Math.log1p(texts.length / (documents[term] ?? 1))));
}

function weighted(count: ReadonlyMap<number, number>, rarity: (term: number) => number): TermVector {
  const terms = Uint32Array.from(count.keys()).sort();
  const weights = Float64Array.from(terms, (term) => (1 + Math.log(count.get(term) ?? 1)) * rarity(term));
  const length = Math.sqrt(weights.reduce((squares, weight) => squares + weight * weight, 0));
  return { terms, weights: length > 0 ? weights.map((weight) => weight / length) : weights };
}

/** Cosine of two term vectors of the same texts, 0..1. */
export function similarity(one: TermVector, other: TermVector): number {
  return new Comparer([one, other]).to(one)(other);
}

/** Compares one vector with many: it is laid out by term once, so that each of the others costs a pass over its own terms. */
export class Comparer {
  readonly #laidOut: Float64Array;
  #last: Uint32Array = new Uint32Array();

  constructor(vectors: readonly TermVector[]) {
    this.#laidOut = new Float64Array(vectors.reduce((most, { terms }) => Math.max(most, (terms.at(-1) ?? -1) + 1), 0));
  }

  /** The cosine with `one`, 0..1; good until the next call. */
  to({ terms, weights }: TermVector): (other: TermVector) => number {
    const laidOut = this.#laidOut;
    for (const term of this.#last) laidOut[term] = 0;
    for (let at = 0; at < terms.length; at++) laidOut[terms[at] as number] = weights[at] as number;
    this.#last = terms;
    return (other) => {
      let sum = 0;
      for (let at = 0; at < other.terms.length; at++) sum += (other.weights[at] as number) * (laidOut[other.terms[at] as number] as number);
      return Math.min(1, sum);
    };
  }
}

function countTerms(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [term] of text
    .slice(0, MAX_LENGTH)
    .toLowerCase()
    .matchAll(/[\p{L}\p{N}]+/gu))
    counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}
