import type { ReadyPassage } from "../index/passage.ts";
import { namesOf, readyText, textOf } from "../index/passage.ts";
import type { ReadyHit } from "../pipeline/answer.ts";

/** Characters of an overlap: fewer are chance, and no chunk repeats more of the one before it. */
const MIN_OVERLAP = 12;
const MAX_OVERLAP = 4_096;
/** Passages that become one at most. */
const MAX_MERGED = 16;

/** Where a hit stands in its document: as a chunk, or as the parent that it shows. */
interface Stand {
  readonly place: number;
  readonly hit: ReadyHit;
  /** Document and kind. */
  readonly row: string;
  readonly ordinal: number;
}

/**
 * Hits that stand next to one another in a document become one: at the place, and with the score, of the best of them, its
 * text theirs in the document's order, what they repeat of one another once.
 */
export function mergeNeighbors(hits: readonly ReadyHit[]): readonly ReadyHit[] {
  const rows = new Map<string, Stand[]>();
  for (const [place, hit] of hits.entries()) {
    const stand = standOf(place, hit);
    const row = rows.get(stand.row);
    if (row === undefined) rows.set(stand.row, [stand]);
    else row.push(stand);
  }
  const merged: { readonly place: number; readonly hit: ReadyHit }[] = [];
  for (const row of rows.values()) for (const run of runsOf(row)) merged.push(mergeRun(run));
  return merged.sort((left, right) => left.place - right.place).map(({ hit }) => hit);
}

function standOf(place: number, hit: ReadyHit): Stand {
  const { id, documentId } = namesOf(hit.passage);
  const { parentId } = hit.hit;
  if (hit.parentText !== null && parentId !== null)
    return { place, hit, row: `${documentId} p`, ordinal: ordinalOf(parentId, "#p", place) };
  return { place, hit, row: `${documentId} c`, ordinal: ordinalOf(id, "#", place) };
}

/** A name without an ordinal has no neighbours. */
function ordinalOf(id: string, mark: string, place: number): number {
  const ordinal = Number(id.slice(id.lastIndexOf(mark) + mark.length));
  return Number.isInteger(ordinal) && id.includes(mark) ? ordinal : -2 * (place + 1);
}

function runsOf(row: Stand[]): Stand[][] {
  row.sort((left, right) => left.ordinal - right.ordinal);
  const runs: Stand[][] = [];
  for (const stand of row) {
    const run = runs.at(-1);
    const isNext = run !== undefined && run.length < MAX_MERGED && stand.ordinal === (run.at(-1)?.ordinal ?? 0) + 1;
    if (isNext) run.push(stand);
    else runs.push([stand]);
  }
  return runs;
}

function mergeRun(run: readonly Stand[]): { readonly place: number; readonly hit: ReadyHit } {
  const best = run.reduce((winner, stand) => (stand.place < winner.place ? stand : winner));
  if (run.length === 1) return best;
  const text = run.map(({ hit }) => shownText(hit)).reduce(joined);
  return { place: best.place, hit: { ...best.hit, parentText: readyText(text) } };
}

function shownText({ passage, parentText }: ReadyHit): string {
  if (parentText === null) return textOf(passage);
  const shown: ReadyPassage = { bytes: parentText, textAt: 0, attributesAt: parentText.length };
  return textOf(shown);
}

/** Two texts that follow one another, without what the second repeats of the first. */
export function joined(text: string, next: string): string {
  for (let length = Math.min(MAX_OVERLAP, text.length, next.length); length >= MIN_OVERLAP; length--) {
    if (text.endsWith(next.slice(0, length))) return text + next.slice(length);
  }
  return `${text}\n${next}`;
}
