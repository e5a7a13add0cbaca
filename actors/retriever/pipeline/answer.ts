import type { ReadyPassage } from "../index/passage.ts";
import type { Include } from "../search.ts";
import { TailWriter } from "./hit_writer.ts";
import type { RankedHit, Ranking } from "./refine.ts";

/** A hit with all that its JSON is made of. */
export interface ReadyHit {
  readonly hit: RankedHit;
  readonly passage: ReadyPassage;
  /** Takes the place of the passage's own text; null: none does. */
  readonly parentText: Uint8Array | null;
}

/** What stands of each passage. */
interface Parts {
  readonly text: boolean;
  readonly attributes: boolean;
}

const [OPEN, COMMA, CLOSE] = [0x5b, 0x2c, 0x5d];

/** Phase 6, answer: the JSON array of the hits, for the most part copied from ready bytes. */
export function encodeHits(hits: readonly ReadyHit[], { scoreType, lists }: Ranking, include: readonly Include[]): Uint8Array {
  const parts: Parts = { text: include.includes("text"), attributes: include.includes("attributes") };
  const numbers = { ranks: include.includes("ranks"), scores: include.includes("scores") };
  const tails = new TailWriter(hits.length, scoreType, lists, numbers);
  const ends: number[] = [];
  let length = 2 + Math.max(0, hits.length - 1);
  for (const ready of hits) {
    tails.write(ready.hit);
    ends.push(tails.at);
    length += passageLength(ready, parts);
  }
  const out = new Uint8Array(length + tails.at);
  let at = 0;
  let from = 0;
  out[at++] = OPEN;
  for (let position = 0; position < hits.length; position++) {
    if (position > 0) out[at++] = COMMA;
    at = copyPassage(hits[position] as ReadyHit, parts, out, at);
    const end = ends[position] as number;
    out.set(tails.bytes.subarray(from, end), at);
    at += end - from;
    from = end;
  }
  out[at] = CLOSE;
  return out;
}

function passageLength({ passage: { bytes, textAt, attributesAt }, parentText }: ReadyHit, parts: Parts): number {
  const text = parts.text ? (parentText?.length ?? attributesAt - textAt) : 0;
  return textAt + text + (parts.attributes ? bytes.length - attributesAt : 0);
}

/** @returns the place behind what was written */
function copyPassage(
  { passage: { bytes, textAt, attributesAt }, parentText }: ReadyHit,
  parts: Parts,
  out: Uint8Array,
  at: number,
): number {
  const isOwnText = parts.text && parentText === null;
  const head = isOwnText ? (parts.attributes ? bytes : bytes.subarray(0, attributesAt)) : bytes.subarray(0, textAt);
  out.set(head, at);
  let end = at + head.length;
  if (isOwnText) return end;
  if (parts.text && parentText !== null) {
    out.set(parentText, end);
    end += parentText.length;
  }
  if (parts.attributes) {
    out.set(bytes.subarray(attributesAt), end);
    end += bytes.length - attributesAt;
  }
  return end;
}
