import type { ChunkRow } from "../../../vector_store/vector_store.ts";
import { type ParentText, readyText } from "../passage.ts";
import type { ImageReader } from "./image.ts";
import { DROPPED, type RowOrder } from "./row_order.ts";

/** Texts of parents by id: all that the document store has of those asked for. Null: it could not be asked. */
export type ParentTexts = ReadonlyMap<string, string> | null;

/** Numbers that stand in an image where a row shows no parent of the image. */
export const OWN_TEXT = 0xffff_ffff;
export const UNKNOWN_TEXT = 0xffff_fffe;

/** Writes parents' texts as JSON, each once, however many rows share it. */
export class ParentWriter {
  readonly #texts: ParentTexts;
  readonly #written = new Map<string, Uint8Array>();

  constructor(texts: ParentTexts) {
    this.#texts = texts;
  }

  of({ parentId, text: own }: Pick<ChunkRow, "parentId" | "text">): ParentText {
    if (parentId === null) return "own";
    if (this.#texts === null) return "unknown";
    const text = this.#texts.get(parentId);
    if (text === undefined || text === own) return "own";
    let written = this.#written.get(parentId);
    if (written === undefined) {
      written = readyText(text);
      this.#written.set(parentId, written);
    }
    return written;
  }
}

/** The parents of an image: which one each of its rows shows, and their texts. */
export interface GatheredParents {
  /** A row's number in `texts`, `OWN_TEXT` or `UNKNOWN_TEXT`; empty when every row shows its own text. */
  readonly numbers: Uint32Array;
  readonly texts: readonly Uint8Array[];
}

/** Those of the base that rows still show, then the fresh rows', each once. */
export function gatherParents(reader: ImageReader | null, { rows, fromBase, fresh, fromFresh }: RowOrder): GatheredParents {
  const numbers = new Uint32Array(rows).fill(OWN_TEXT);
  const texts: Uint8Array[] = [];
  let isShown = false;
  const renumbered = new Map<number, number>();
  for (let old = 0; old < fromBase.length; old++) {
    const row = fromBase[old] as number;
    const number = reader?.parentNumber(old) ?? OWN_TEXT;
    if (row === DROPPED || number === OWN_TEXT) continue;
    isShown = true;
    let next = number === UNKNOWN_TEXT ? UNKNOWN_TEXT : renumbered.get(number);
    if (next === undefined) {
      next = texts.push((reader as ImageReader).parent(number)) - 1;
      renumbered.set(number, next);
    }
    numbers[row] = next;
  }
  // One parent's rows may have come in several pages, each with a copy of it.
  const byId = new Map<string, number>();
  for (const [place, { parentId, parentText }] of fresh.entries()) {
    if (parentText === "own" || parentId === null) continue;
    isShown = true;
    let next = parentText === "unknown" ? UNKNOWN_TEXT : byId.get(parentId);
    if (next === undefined) {
      next = texts.push(parentText as Uint8Array) - 1;
      byId.set(parentId, next);
    }
    numbers[fromFresh[place] as number] = next;
  }
  return { numbers: isShown ? numbers : new Uint32Array(0), texts };
}
