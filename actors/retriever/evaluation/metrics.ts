import type { Random } from "../../../runtime/random.ts";

/** Judged relevance by document id; a document that is not judged counts as 0. Grades are integers >= 0. */
export type Judgements = ReadonlyMap<string, number>;

/**
 * Discounted cumulative gain of the first `depth` results over that of the best possible order, 0..1:
 * DCG = sum of (2^grade - 1) / log2(rank + 1), ranks from 1. Järvelin and Kekäläinen, TOIS 2002; the exponential gain is
 * that of Burges et al., ICML 2005 (with grades 0 and 1 both gains are the same).
 * @param ranked document ids, best first, each once
 * @returns 0 when nothing is judged relevant
 */
export function ndcg(ranked: readonly string[], judgements: Judgements, depth: number): number {
  const ideal = [...judgements.values()].filter((grade) => grade > 0).sort((left, right) => right - left);
  const best = discountedGain(ideal, depth);
  if (best === 0) return 0;
  return (
    discountedGain(
      ranked.map((id) => judgements.get(id) ?? 0),
      depth,
    ) / best
  );
}

function discountedGain(grades: readonly number[], depth: number): number {
  let gain = 0;
  for (let index = 0; index < Math.min(depth, grades.length); index++) {
    gain += (2 ** (grades[index] ?? 0) - 1) / Math.log2(index + 2);
  }
  return gain;
}

/** Mean of the precision at each relevant result, over all that are relevant, 0..1. Its mean over queries is MAP (Buckley and Voorhees, SIGIR 2000). */
export function averagePrecision(ranked: readonly string[], judgements: Judgements): number {
  const relevant = countRelevant(judgements);
  if (relevant === 0) return 0;
  let found = 0;
  let sum = 0;
  ranked.forEach((id, index) => {
    if ((judgements.get(id) ?? 0) <= 0) return;
    found += 1;
    sum += found / (index + 1);
  });
  return sum / relevant;
}

/** One over the rank of the first relevant result among the first `depth`, else 0. Its mean is MRR (Voorhees, TREC-8, 1999). */
export function reciprocalRank(ranked: readonly string[], judgements: Judgements, depth: number): number {
  const index = ranked.slice(0, depth).findIndex((id) => (judgements.get(id) ?? 0) > 0);
  return index === -1 ? 0 : 1 / (index + 1);
}

/** The part of the relevant documents that is among the first `depth` results, 0..1. */
export function recall(ranked: readonly string[], judgements: Judgements, depth: number): number {
  const relevant = countRelevant(judgements);
  if (relevant === 0) return 0;
  return ranked.slice(0, depth).filter((id) => (judgements.get(id) ?? 0) > 0).length / relevant;
}

function countRelevant(judgements: Judgements): number {
  let relevant = 0;
  for (const grade of judgements.values()) if (grade > 0) relevant += 1;
  return relevant;
}

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Mean and percentile bootstrap interval of the mean over queries (Efron 1979; for retrieval: Sakai, SIGIR 2006).
 * @param values one per query; empty: all zero
 * @param resamples draws with replacement, > 0; 1,000 is usual
 * @param confidence 0..1, 0.95 is usual
 */
export function bootstrapInterval(values: readonly number[], random: Random, resamples = 1000, confidence = 0.95): Interval {
  if (values.length === 0) return { mean: 0, low: 0, high: 0 };
  const means = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[Math.floor(random.next() * values.length)] ?? 0;
    means[resample] = sum / values.length;
  }
  means.sort();
  const tail = (1 - confidence) / 2;
  const at = (share: number): number => means[Math.min(resamples - 1, Math.max(0, Math.floor(share * resamples)))] ?? 0;
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, low: at(tail), high: at(1 - tail) };
}

export interface QueryScores {
  readonly ndcg10: number;
  readonly averagePrecision: number;
  readonly reciprocalRank10: number;
  readonly recall100: number;
}

/** The four figures of one query. */
export function scoreQuery(ranked: readonly string[], judgements: Judgements): QueryScores {
  return {
    ndcg10: ndcg(ranked, judgements, 10),
    averagePrecision: averagePrecision(ranked, judgements),
    reciprocalRank10: reciprocalRank(ranked, judgements, 10),
    recall100: recall(ranked, judgements, 100),
  };
}
