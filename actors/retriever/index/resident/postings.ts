import { countOfImpact } from "./bm25.ts";
import { type ImageReader, readTerms } from "./image.ts";
import { bytesOf, uint32Of } from "./memory.ts";
import { DROPPED, type RowOrder } from "./row_order.ts";

/** Postings of a term, rows rising. */
interface TermPostings {
  readonly rows: readonly number[];
  readonly counts: readonly number[];
}

const NO_POSTINGS: TermPostings = { rows: [], counts: [] };

/** The terms of the new image and where their postings come from. */
export interface Postings {
  /** In the order of their new numbers: those of the base that still occur, then the new ones. */
  readonly terms: readonly string[];
  readonly added: ReadonlyMap<string, TermPostings>;
  readonly total: number;
}

export function gatherPostings(reader: ImageReader | null, order: RowOrder): Postings {
  const added = new Map<string, { rows: number[]; counts: number[] }>();
  let total = 0;
  for (const [place, row] of order.fresh.entries()) {
    const number = order.fromFresh[place] as number;
    for (const [at, term] of row.terms.entries()) {
      let list = added.get(term);
      if (list === undefined) {
        list = { rows: [], counts: [] };
        added.set(term, list);
      }
      list.rows.push(number);
      list.counts.push(row.counts[at] as number);
      total++;
    }
  }
  const terms: string[] = [];
  if (reader !== null) {
    const rows = uint32Of(reader.image.memory, reader.image.header.sections.postingRows);
    for (const [number, term] of readTerms(reader.image).entries()) {
      let live = 0;
      for (let at = reader.postingStarts[number] as number; at < (reader.postingStarts[number + 1] as number); at++) {
        if (order.fromBase[rows[at] as number] !== DROPPED) live++;
      }
      total += live;
      if (live > 0 || added.has(term)) terms.push(term);
    }
  }
  for (const term of added.keys()) if (reader === null || reader.terms.numberOf(term) === undefined) terms.push(term);
  return { terms, added, total };
}

/** Puts a term's postings, old and added, in the order of their new rows. */
export function postingMerger(
  reader: ImageReader | null,
  { fromBase }: RowOrder,
  { added }: Postings,
  put: (row: number, count: number) => void,
): (term: string) => void {
  const putAll = ({ rows, counts }: TermPostings, from: number, before: number): number => {
    let next = from;
    while (next < rows.length && (rows[next] as number) < before) put(rows[next] as number, counts[next++] as number);
    return next;
  };
  if (reader === null) return (term) => void putAll(added.get(term) ?? NO_POSTINGS, 0, DROPPED);
  const { memory, header } = reader.image;
  const oldRows = uint32Of(memory, header.sections.postingRows);
  const oldImpacts = bytesOf(memory, header.sections.impacts);
  const oldLengths = uint32Of(memory, header.sections.lengths);
  return (term) => {
    const fresh = added.get(term) ?? NO_POSTINGS;
    const number = reader.terms.numberOf(term);
    let next = 0;
    const start = number === undefined ? 0 : (reader.postingStarts[number] as number);
    const end = number === undefined ? 0 : (reader.postingStarts[number + 1] as number);
    for (let at = start; at < end; at++) {
      const old = oldRows[at] as number;
      const row = fromBase[old] as number;
      if (row === DROPPED) continue;
      next = putAll(fresh, next, row);
      put(row, countOfImpact(oldImpacts[at] as number, oldLengths[old] as number, header.averageLength));
    }
    putAll(fresh, next, DROPPED);
  };
}
