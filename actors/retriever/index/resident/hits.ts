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

export interface FusedHits {
  readonly rows: Uint32Array;
  /** What fusion made of the lists' scores. */
  readonly fused: Float64Array;
  /** For each list, in their order: the rank from 1 of each fused row; 0: the list does not have it. */
  readonly ranks: readonly Uint32Array[];
  /** For each list, in their order: the score of each fused row; 0 where the list does not have it. */
  readonly raw: readonly Float64Array[];
}

/**
 * Weighted sum of min-max scores over row numbers: what the weighted fusion of actors/retriever/fusion computes, addition
 * by addition, without an object a candidate.
 * @param lists in plan order
 * @returns best first, equal scores by id, at most `limit`
 */
export function fuseHits(
  lists: readonly { readonly hits: RowHits; readonly weight: number }[],
  limit: number,
  compareRows: CompareRows,
): FusedHits {
  const total = lists.reduce((sum, { hits }) => sum + hits.rows.length, 0);
  const places = new PlaceTable(total);
  const fused = new Float64Array(total);
  const ranks = lists.map(() => new Uint32Array(total));
  const raw = lists.map(() => new Float64Array(total));
  for (const [list, { hits, weight }] of lists.entries()) {
    const listRanks = ranks[list] as Uint32Array;
    const listRaw = raw[list] as Float64Array;
    const max = hits.scores[0] ?? 0;
    const min = hits.scores.at(-1) ?? 0;
    for (let at = 0; at < hits.rows.length; at++) {
      const place = places.placeOf(hits.rows[at] as number);
      const score = hits.scores[at] as number;
      fused[place] = (fused[place] as number) + weight * (max === min ? 1 : (score - min) / (max - min));
      listRanks[place] = at + 1;
      listRaw[place] = score;
    }
  }
  const { rows, size } = places;
  const best = bestPlaces(
    size,
    limit,
    (left, right) => (fused[right] as number) - (fused[left] as number) || compareRows(rows[left] as number, rows[right] as number),
  );
  const picked: FusedHits = {
    rows: new Uint32Array(best.length),
    fused: new Float64Array(best.length),
    ranks: lists.map(() => new Uint32Array(best.length)),
    raw: lists.map(() => new Float64Array(best.length)),
  };
  for (const [at, place] of best.entries()) {
    picked.rows[at] = rows[place] as number;
    picked.fused[at] = fused[place] as number;
    for (let list = 0; list < lists.length; list++) {
      (picked.ranks[list] as Uint32Array)[at] = (ranks[list] as Uint32Array)[place] as number;
      (picked.raw[list] as Float64Array)[at] = (raw[list] as Float64Array)[place] as number;
    }
  }
  return picked;
}

/** Numbers rows in the order in which they are first seen: a hash table with open addressing, several times as fast as a `Map`. */
class PlaceTable {
  readonly rows: Uint32Array;
  size = 0;
  /** Place + 1 of a row; 0: free. At most half are taken. */
  readonly #slots: Uint32Array;
  readonly #shift: number;

  /** @param capacity rows that may come */
  constructor(capacity: number) {
    const bits = 33 - Math.clz32(Math.max(1, capacity));
    this.rows = new Uint32Array(capacity);
    this.#slots = new Uint32Array(2 ** bits);
    this.#shift = 32 - bits;
  }

  placeOf(row: number): number {
    const last = this.#slots.length - 1;
    for (let slot = Math.imul(row, 0x9e37_79b1) >>> this.#shift; ; slot = (slot + 1) & last) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) {
        this.rows[this.size] = row;
        this.#slots[slot] = ++this.size;
        return this.size - 1;
      }
      if (this.rows[taken - 1] === row) return taken - 1;
    }
  }
}

/** The first `limit` of 0..size - 1 in the order of `compare`. An answer has few hits of many candidates: sorting all would take longer. */
function bestPlaces(size: number, limit: number, compare: (left: number, right: number) => number): number[] {
  const best: number[] = [];
  for (let place = 0; place < size; place++) {
    if (limit <= 0) break;
    if (best.length === limit && compare(place, best[limit - 1] as number) >= 0) continue;
    if (best.length === limit) best.pop();
    let low = 0;
    let high = best.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(best[middle] as number, place) <= 0) low = middle + 1;
      else high = middle;
    }
    best.splice(low, 0, place);
  }
  return best;
}
