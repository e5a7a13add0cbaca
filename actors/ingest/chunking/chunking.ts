import type { Chunking } from "../../document_store/collection_record.ts";
import type { Chunk, ParentPassage } from "../../document_store/document_record.ts";
import type { Block } from "./block.ts";
import { type CountTokens, type Unit, unitsOf } from "./units.ts";

export interface ChunkedDocument {
  /** The blocks as one text; every offset points into it. */
  readonly text: string;
  /** In reading order. */
  readonly chunks: readonly Chunk[];
  /** In reading order; empty when the collection has no parents. */
  readonly parents: readonly ParentPassage[];
}

/** A heading opens a new passage once the open one holds this part of the limit; below it small sections share a passage. */
const MIN_FILL = 0.25;

/**
 * Cuts a document into chunks of at most `chunking.maxTokens` tokens, and parents of at most `chunking.parentTokens`
 * around them. Cuts fall before headings, then between blocks, then sentences, then words. A chunk lies in one parent
 * and repeats up to `overlapTokens` from the one before it in that parent. A text that is empty makes one chunk of the
 * title, and none when the title is empty too.
 */
export function chunkDocument(
  document: { readonly id: string; readonly title: string; readonly blocks: readonly Block[] },
  chunking: Chunking,
  countTokens: CountTokens,
): ChunkedDocument {
  const { text, units } = unitsOf(document.blocks, chunking.maxTokens, countTokens);
  if (units.length === 0) return { text: "", chunks: titleChunk(document), parents: [] };
  const chunks: Chunk[] = [];
  const parents: ParentPassage[] = [];
  const groups = chunking.parentTokens === 0 ? [units] : pack(units, Math.max(chunking.parentTokens, chunking.maxTokens));
  for (const group of groups) {
    const parentId = chunking.parentTokens === 0 ? null : `${document.id}#p${parents.length}`;
    if (parentId !== null) parents.push({ id: parentId, text: sliceOf(text, group) });
    for (const passage of withOverlap(pack(group, chunking.maxTokens), chunking)) {
      const ordinal = chunks.length;
      const passageText = sliceOf(text, passage);
      chunks.push({
        id: `${document.id}#${ordinal}`,
        ordinal,
        parentId,
        text: passageText,
        indexText: [document.title, ...(passage[0]?.headingPath ?? []), passageText].filter((part) => part !== "").join("\n"),
        startOffset: passage[0]?.start ?? 0,
        endOffset: passage.at(-1)?.end ?? 0,
      });
    }
  }
  return { text, chunks, parents };
}

function titleChunk(document: { readonly id: string; readonly title: string }): Chunk[] {
  if (document.title === "") return [];
  const { title } = document;
  return [{ id: `${document.id}#0`, ordinal: 0, parentId: null, text: title, indexText: title, startOffset: 0, endOffset: 0 }];
}

function sliceOf(text: string, units: readonly Unit[]): string {
  return text.slice(units[0]?.start ?? 0, units.at(-1)?.end ?? 0);
}

/** Groups of consecutive units, each within `maxTokens`; every unit is in exactly one. */
function pack(units: readonly Unit[], maxTokens: number): Unit[][] {
  const groups: Unit[][] = [];
  let open: Unit[] = [];
  let tokens = 0;
  for (const unit of units) {
    const isFull = tokens + unit.tokens > maxTokens;
    const opensSection = unit.headingLevel > 0 && tokens >= maxTokens * MIN_FILL && !endsInHeading(open);
    if (open.length > 0 && (isFull || opensSection)) {
      // A heading stays with what it announces, as far as there is room.
      const carried = isFull && unit.headingLevel === 0 ? trailingHeadings(open, maxTokens - unit.tokens) : [];
      groups.push(open.slice(0, open.length - carried.length));
      open = carried;
      tokens = carried.reduce((sum, one) => sum + one.tokens, 0);
    }
    open.push(unit);
    tokens += unit.tokens;
  }
  if (open.length > 0) groups.push(open);
  return groups;
}

function endsInHeading(units: readonly Unit[]): boolean {
  return (units.at(-1)?.headingLevel ?? 0) > 0;
}

/** The headings at the end of a group, if something stays before them and they fit into `roomTokens`. */
function trailingHeadings(units: readonly Unit[], roomTokens: number): Unit[] {
  let from = units.length;
  let tokens = 0;
  while (from > 1) {
    const unit = units[from - 1];
    if (unit === undefined || unit.headingLevel === 0 || tokens + unit.tokens > roomTokens) break;
    tokens += unit.tokens;
    from -= 1;
  }
  return units.slice(from);
}

/** Puts the last units of each group before the next one, within the overlap and what room the next one has. */
function withOverlap(groups: readonly Unit[][], chunking: Chunking): Unit[][] {
  return groups.map((group, index) => {
    const before = groups[index - 1];
    if (before === undefined || chunking.overlapTokens === 0 || (group[0]?.headingLevel ?? 0) > 0) return group;
    let room = Math.min(chunking.overlapTokens, chunking.maxTokens - group.reduce((sum, unit) => sum + unit.tokens, 0));
    const repeated: Unit[] = [];
    for (let at = before.length - 1; at > 0; at--) {
      const unit = before[at];
      if (unit === undefined || unit.tokens > room) break;
      room -= unit.tokens;
      repeated.unshift(unit);
    }
    return [...repeated, ...group];
  });
}
