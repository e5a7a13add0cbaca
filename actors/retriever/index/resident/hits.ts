/** What a search brought up, best first, equal scores by id. Row numbers hold until the index is next written or merged. */
export interface RowHits {
  readonly rows: Uint32Array;
  /** Cosines in -1..1, or BM25 scores above 0. */
  readonly scores: Float64Array;
}

/** Below 0 where the id of the left row comes first. */
export type CompareRows = (left: number, right: number) => number;

export const NO_HITS: RowHits = { rows: new Uint32Array(0), scores: new Float64Array(0) };

export interface ScoredRow {
  readonly row: number;
  readonly score: number;
}

/** The best `limit` of two lists, of which `few` may be in any order. */
export function mergeHits(many: RowHits, few: ScoredRow[], limit: number, compareRows: CompareRows): RowHits {
  if (few.length === 0) return many;
  few.sort((left, right) => right.score - left.score || compareRows(left.row, right.row));
  const size = Math.min(limit, many.rows.length + few.length);
  const rows = new Uint32Array(size);
  const scores = new Float64Array(size);
  let next = 0;
  let nextFew = 0;
  for (let at = 0; at < size; at++) {
    const one = few[nextFew];
    const score = many.scores[next];
    const isFew =
      score === undefined ||
      (one !== undefined && (one.score > score || (one.score === score && compareRows(one.row, many.rows[next] as number) < 0)));
    rows[at] = isFew ? (one as ScoredRow).row : (many.rows[next] as number);
    scores[at] = isFew ? (one as ScoredRow).score : (score as number);
    if (isFew) nextFew++;
    else next++;
  }
  return { rows, scores };
}
