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

const encoder = new TextEncoder();
const OPEN = encoder.encode("[");
const COMMA = encoder.encode(",");
const CLOSE = encoder.encode("]");

/** Phase 6, answer: the JSON array of the hits, for the most part copied from ready bytes. */
export function encodeHits(hits: readonly ReadyHit[], ranking: Ranking, include: readonly Include[]): Uint8Array {
  const withText = include.includes("text");
  const withAttributes = include.includes("attributes");
  const parts: Uint8Array[] = [OPEN];
  for (const { hit, passage, parentText } of hits) {
    if (parts.length > 1) parts.push(COMMA);
    const { bytes, textAt, attributesAt } = passage;
    if (withText && parentText === null) {
      parts.push(bytes.subarray(0, withAttributes ? bytes.length : attributesAt));
    } else {
      parts.push(bytes.subarray(0, textAt));
      if (withText && parentText !== null) parts.push(parentText);
      if (withAttributes) parts.push(bytes.subarray(attributesAt));
    }
    parts.push(encoder.encode(hitTail(hit, ranking, include)));
  }
  parts.push(CLOSE);
  return joined(parts);
}

/** From the score to the closing brace. */
function hitTail({ score, fused }: RankedHit, { scoreType, branches }: Ranking, include: readonly Include[]): string {
  let tail = `,"score":${rounded(score)},"score_type":"${scoreType}"`;
  const found = branches
    .map((branch, list) => ({ branch, rank: fused.ranks[list] ?? 0, raw: fused.raw[list] ?? 0 }))
    .filter(({ rank }) => rank > 0);
  if (include.includes("ranks")) tail += `,"ranks":{${found.map(({ branch, rank }) => `"${branch}":${rank}`).join(",")}}`;
  if (include.includes("scores")) {
    tail += `,"scores":{${found.map(({ branch, raw }) => `"${branch}":${rounded(raw)},`).join("")}"fused":${rounded(fused.fused)}}`;
  }
  return `${tail}}`;
}

/** Six digits after the point: more than single precision knows, and it keeps the order. */
function rounded(score: number): number {
  return Math.round(score * 1_000_000) / 1_000_000;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
