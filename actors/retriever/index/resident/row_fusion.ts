import type { CompareRows, RowHits } from "./hits.ts";

/** A row that lists brought up. */
export interface FusedRow {
  readonly row: number;
  /** What fusion made of the lists' scores. */
  readonly fused: number;
  /** For each list, in their order: the rank from 1; 0: the list does not have the row. */
  readonly ranks: readonly number[];
  /** For each list, in their order: the list's own score; 0 where it does not have the row. */
  readonly raw: readonly number[];
}

export interface FusedRows {
  /** Best first, equal scores by id. */
  readonly best: readonly FusedRow[];
  /** Different rows of all lists. */
  readonly total: number;
}

export interface WeightedHits {
  readonly hits: RowHits;
  readonly weight: number;
}

/** `weighted`: min-max scores; `rrf`: reciprocal ranks with damping `k`. */
export type FusionMethod = { readonly type: "weighted" } | { readonly type: "rrf"; readonly k: number };

/** Up to this many rows are kept in order as they come; more are sorted. */
const MAX_INSERTED = 64;

/**
 * Fusion over row numbers: what the fusions of actors/retriever/fusion compute, addition by addition, without an object a
 * candidate. Its tables are used again by the next call, so one turn uses one of these at a time.
 */
export class RowFusion {
  /** Rows in the order in which they are first seen: their places. */
  #rows = new Uint32Array(0);
  #fused = new Float64Array(0);
  /** Rank of a place in a list, list after list; 0: it is not there. */
  #ranks = new Uint32Array(0);
  /** Place + 1 of a row, by open addressing; 0: free. At most half are taken. Several times as fast as a `Map`. */
  #slots = new Uint32Array(2);
  #size = 0;

  /** @param lists in plan order, each best first and each row once  @returns at most `limit` rows */
  fuse(lists: readonly WeightedHits[], method: FusionMethod, limit: number, compareRows: CompareRows): FusedRows {
    let capacity = 0;
    for (const { hits } of lists) capacity += hits.rows.length;
    this.#clear(capacity, lists.length);
    for (const [list, weighted] of lists.entries()) {
      if (method.type === "weighted") this.#addScores(weighted, list * capacity);
      else this.#addRanks(weighted, list * capacity, method.k);
    }
    const best = this.#best(limit, compareRows).map((place) => this.#pick(place, lists, capacity));
    return { best, total: this.#size };
  }

  #addScores({ hits: { rows, scores }, weight }: WeightedHits, ranksAt: number): void {
    const max = scores[0] ?? 0;
    const min = scores[scores.length - 1] ?? 0;
    for (let at = 0; at < rows.length; at++) {
      const place = this.#placeOf(rows[at] as number);
      const score = scores[at] as number;
      this.#fused[place] = (this.#fused[place] as number) + weight * (max === min ? 1 : (score - min) / (max - min));
      this.#ranks[ranksAt + place] = at + 1;
    }
  }

  #addRanks({ hits: { rows }, weight }: WeightedHits, ranksAt: number, k: number): void {
    for (let at = 0; at < rows.length; at++) {
      const place = this.#placeOf(rows[at] as number);
      this.#fused[place] = (this.#fused[place] as number) + weight / (k + at + 1);
      this.#ranks[ranksAt + place] = at + 1;
    }
  }

  #pick(place: number, lists: readonly WeightedHits[], capacity: number): FusedRow {
    const ranks: number[] = [];
    const raw: number[] = [];
    for (let list = 0; list < lists.length; list++) {
      const rank = this.#ranks[list * capacity + place] as number;
      ranks.push(rank);
      raw.push(rank === 0 ? 0 : ((lists[list] as WeightedHits).hits.scores[rank - 1] as number));
    }
    return { row: this.#rows[place] as number, fused: this.#fused[place] as number, ranks, raw };
  }

  #clear(capacity: number, lists: number): void {
    if (capacity > this.#rows.length) {
      this.#rows = new Uint32Array(capacity);
      this.#fused = new Float64Array(capacity);
      this.#slots = new Uint32Array(2 ** (33 - Math.clz32(capacity)));
    } else {
      this.#fused.fill(0, 0, capacity);
      this.#slots.fill(0);
    }
    if (capacity * lists > this.#ranks.length) this.#ranks = new Uint32Array(capacity * lists);
    else this.#ranks.fill(0, 0, capacity * lists);
    this.#size = 0;
  }

  #placeOf(row: number): number {
    const last = this.#slots.length - 1;
    const shift = Math.clz32(last);
    // The high bits of the product are the ones that depend on all of the row's.
    for (let slot = Math.imul(row, 0x9e37_79b1) >>> shift; ; slot = (slot + 1) & last) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) {
        this.#rows[this.#size] = row;
        this.#slots[slot] = ++this.#size;
        return this.#size - 1;
      }
      if (this.#rows[taken - 1] === row) return taken - 1;
    }
  }

  /** The first `limit` places. An answer has few hits of many candidates: sorting all would take longer. */
  #best(limit: number, compareRows: CompareRows): number[] {
    const [rows, fused, size] = [this.#rows, this.#fused, this.#size];
    const isBefore = (left: number, right: number): boolean => {
      const [one, other] = [fused[left] as number, fused[right] as number];
      return one > other || (one === other && compareRows(rows[left] as number, rows[right] as number) < 0);
    };
    if (Math.min(limit, size) > MAX_INSERTED) {
      const places = Array.from({ length: size }, (_, place) => place);
      return places.sort((left, right) => (isBefore(left, right) ? -1 : 1)).slice(0, limit);
    }
    const best: number[] = [];
    for (let place = 0; place < size; place++) {
      if (best.length === limit && (limit === 0 || !isBefore(place, best[limit - 1] as number))) continue;
      let at = best.length < limit ? best.length : limit - 1;
      for (; at > 0 && isBefore(place, best[at - 1] as number); at--) best[at] = best[at - 1] as number;
      best[at] = place;
    }
    return best;
  }
}
