import { Comparer, type TermVector } from "./term_vectors.ts";

/** At this cosine of their terms two passages say the same. */
const DUPLICATE = 0.95;
/** Passages of which one has fewer different terms than this share of the other's are not compared. */
const MIN_SIZE_RATIO = 0.8;

/** Places of the passages that no better one says already, in order. */
export function withoutDuplicates(vectors: readonly TermVector[]): readonly number[] {
  const kept: number[] = [];
  const comparer = new Comparer(vectors);
  for (const [at, vector] of vectors.entries()) {
    const similarity = comparer.to(vector);
    if (!kept.some((better) => isDuplicate(vectors[better] as TermVector, vector, similarity))) kept.push(at);
  }
  return kept;
}

function isDuplicate(one: TermVector, other: TermVector, similarity: (one: TermVector) => number): boolean {
  const [size, otherSize] = [one.terms.length, other.terms.length];
  if (Math.min(size, otherSize) < MIN_SIZE_RATIO * Math.max(size, otherSize)) return false;
  return size === 0 ? otherSize === 0 : similarity(one) >= DUPLICATE;
}

/**
 * Maximal marginal relevance: one by one the passage with the greatest (1 - diversity) x relevance - diversity x its greatest
 * similarity to one that was chosen before. Carbonell and Goldstein, SIGIR 1998; similarity is the cosine of terms, as there.
 * @param relevance 0..1, in order
 * @param diversity 0: the most relevant, 1: the most different ones
 * @returns `count` places at most, in their order
 */
export function maximalMarginalRelevance(
  vectors: readonly TermVector[],
  relevance: readonly number[],
  diversity: number,
  count: number,
): readonly number[] {
  if (vectors.length <= count) return [...vectors.keys()];
  const comparer = new Comparer(vectors);
  const nearest = vectors.map(() => 0);
  const left = new Set(vectors.keys());
  const chosen: number[] = [];
  while (chosen.length < count && left.size > 0) {
    let best = -1;
    let bestGain = Number.NEGATIVE_INFINITY;
    for (const at of left) {
      const gain = (1 - diversity) * (relevance[at] as number) - diversity * (nearest[at] as number);
      if (gain > bestGain) [best, bestGain] = [at, gain];
    }
    left.delete(best);
    chosen.push(best);
    if (chosen.length === count) break;
    const similarity = comparer.to(vectors[best] as TermVector);
    for (const at of left) {
      nearest[at] = Math.max(nearest[at] as number, similarity(vectors[at] as TermVector));
    }
  }
  return chosen.sort((one, other) => one - other);
}
