import type { Analyzer } from "../../actors/retriever/index/resident/analyzer.ts";
import type { BenchDocument } from "./corpus.ts";

/** What the numbers of both indexes are held against: plain floats, nothing quantised, nothing approximate. */
export interface Scored {
  readonly id: string;
  readonly score: number;
}

const K1 = 1.2;
const B = 0.75;

function best(found: Scored[], limit: number): Scored[] {
  return found.sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : 1)).slice(0, limit);
}

/** The `limit` documents nearest to `query` by cosine. All vectors have unit length; null: the document has none. */
export function exactNearest(
  documents: readonly BenchDocument[],
  vectors: readonly (Float32Array | null)[],
  query: Float32Array,
  limit: number,
): Scored[] {
  const found: Scored[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (const [place, vector] of vectors.entries()) {
    if (vector === null) continue;
    let score = 0;
    for (let at = 0; at < query.length; at += 1) score += (query[at] as number) * (vector[at] as number);
    if (score < least) continue;
    found.push({ id: documents[place]?.id ?? "", score });
    if (found.length < limit * 8) continue;
    found.splice(0, found.length, ...best(found, limit));
    least = found.at(-1)?.score ?? least;
  }
  return best(found, limit);
}

/** BM25 with k1 1.2 and b .75 over the terms of `analyzer`, as Lucene counts it: each term of a query once. */
export class ExactBm25 {
  readonly #postings = new Map<string, { readonly id: string; readonly count: number; readonly length: number }[]>();
  readonly #documents: number;
  readonly #averageLength: number;
  readonly #analyzer: Analyzer;

  constructor(documents: readonly BenchDocument[], analyzer: Analyzer) {
    this.#analyzer = analyzer;
    this.#documents = documents.length;
    let total = 0;
    for (const { id, text } of documents) {
      const { counts, length } = analyzer.analyze(text);
      total += length;
      for (const [term, count] of counts) {
        const postings = this.#postings.get(term) ?? [];
        if (postings.length === 0) this.#postings.set(term, postings);
        postings.push({ id, count, length });
      }
    }
    this.#averageLength = total / documents.length;
  }

  search(query: string, limit: number): Scored[] {
    const scores = new Map<string, number>();
    for (const term of this.#analyzer.analyze(query).counts.keys()) {
      const postings = this.#postings.get(term) ?? [];
      const idf = Math.log(1 + (this.#documents - postings.length + 0.5) / (postings.length + 0.5));
      for (const { id, count, length } of postings) {
        const weight = (count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / this.#averageLength));
        scores.set(id, (scores.get(id) ?? 0) + idf * weight);
      }
    }
    return best(
      [...scores].map(([id, score]) => ({ id, score })),
      limit,
    );
  }
}

/** Part of `wanted` that is among `found`. */
export function recall(found: readonly string[], wanted: readonly string[]): number {
  const known = new Set(found);
  return wanted.filter((id) => known.has(id)).length / Math.max(1, wanted.length);
}
