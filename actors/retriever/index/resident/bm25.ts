/**
 * BM25 with idf = ln(1 + (N - n + .5) / (n + .5)) and k1 = 1.2, b = .75 (Robertson and Zaragoza, "The Probabilistic
 * Relevance Framework: BM25 and Beyond", 2009; the idf is Lucene's, which is never negative).
 */
const K1 = 1.2;
const B = 0.75;

/** A term's part of a score is below this times its idf. */
const MAX_IMPACT = K1 + 1;
/** Turns the idf of a term into the weight of its uint8 impacts. */
export const IMPACT_STEP = MAX_IMPACT / 255;

/** A count above has the impact of this one. */
const MAX_COUNT = 255;

/** What a term that stands `count` times in a chunk of `length` terms adds to its score, without the idf; 0..2.2. */
function impact(count: number, length: number, averageLength: number): number {
  const relative = averageLength > 0 ? length / averageLength : 1;
  return (count * MAX_IMPACT) / (count + K1 * (1 - B + B * relative));
}

/** In steps of `IMPACT_STEP`; at least 1, since a term that stands in a chunk must bring it up. */
export function quantizedImpact(count: number, length: number, averageLength: number): number {
  return Math.max(1, Math.min(255, Math.round(impact(count, length, averageLength) / IMPACT_STEP)));
}

/**
 * The count that a quantised impact was made of: exact while counts stay apart in steps, which they do up to about 12; beyond
 * it is a count with the same impact. So an index need not keep the counts to be merged.
 */
export function countOfImpact(quantized: number, length: number, averageLength: number): number {
  const relative = averageLength > 0 ? length / averageLength : 1;
  const value = quantized * IMPACT_STEP;
  const count = (value * K1 * (1 - B + B * relative)) / (MAX_IMPACT - value);
  return Math.max(1, Math.min(MAX_COUNT, Math.round(count)));
}

/** @param chunks in the index  @param found those with the term */
export function inverseDocumentFrequency(chunks: number, found: number): number {
  return Math.log(1 + (chunks - found + 0.5) / (found + 0.5));
}
