import type { ReadyPassage } from "../index/passage.ts";
import type { Include } from "../search.ts";
import type { RankedHit, Ranking } from "./refine.ts";

/** A hit with all that its JSON is made of. */
export interface ReadyHit {
  readonly hit: RankedHit;
  readonly passage: ReadyPassage;
  /** Takes the place of the passage's own text; null: none does. */
  readonly parentText: Uint8Array | null;
}

/** What stands of each hit. */
interface Parts {
  readonly text: boolean;
  readonly attributes: boolean;
  readonly ranks: boolean;
  readonly scores: boolean;
}

const [OPEN, COMMA, CLOSE] = [0x5b, 0x2c, 0x5d];

/** Phase 6, answer: the JSON array of the hits, for the most part copied from ready bytes. */
export function encodeHits(hits: readonly ReadyHit[], ranking: Ranking, include: readonly Include[]): Uint8Array {
  const parts: Parts = {
    text: include.includes("text"),
    attributes: include.includes("attributes"),
    ranks: include.includes("ranks"),
    scores: include.includes("scores"),
  };
  const tails = hits.map(({ hit }) => hitTail(hit, ranking, parts));
  let length = 2 + Math.max(0, hits.length - 1);
  for (const [position, hit] of hits.entries()) length += passageLength(hit, parts) + (tails[position] as string).length;
  const out = new Uint8Array(length);
  let at = 0;
  out[at++] = OPEN;
  for (const [position, hit] of hits.entries()) {
    if (position > 0) out[at++] = COMMA;
    at = copyPassage(hit, parts, out, at);
    const tail = tails[position] as string;
    for (let i = 0; i < tail.length; i++) out[at++] = tail.charCodeAt(i); // it is ASCII
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

/** From the score to the closing brace. */
function hitTail({ score, fused }: RankedHit, { scoreType, branches }: Ranking, parts: Parts): string {
  let ranks = "";
  let scores = "";
  for (const [list, branch] of branches.entries()) {
    const rank = fused.ranks[list] ?? 0;
    if (rank === 0) continue;
    ranks += `${ranks === "" ? "" : ","}"${branch}":${rank}`;
    scores += `"${branch}":${rounded(fused.raw[list] ?? 0)},`;
  }
  let tail = `,"score":${rounded(score)},"score_type":"${scoreType}"`;
  if (parts.ranks) tail += `,"ranks":{${ranks}}`;
  if (parts.scores) tail += `,"scores":{${scores}"fused":${rounded(fused.fused)}}`;
  return `${tail}}`;
}

/** Six digits after the point: more than single precision knows, and it keeps the order. */
function rounded(score: number): number {
  return Math.round(score * 1_000_000) / 1_000_000;
}
