import fc from "fast-check";
import type { IndexCandidate, RankedList } from "../../../../actors/retriever/fusion/ranked.ts";

export function candidate(id: string, score: number, documentId = id, parentId: string | null = null): IndexCandidate {
  return { key: id, id, documentId, parentId, score };
}

/** A branch's list as it should be: best first, ties by id, each id once, of a vocabulary small enough to overlap. */
export const rankedCandidates: fc.Arbitrary<readonly IndexCandidate[]> = fc
  .uniqueArray(
    fc.record({
      id: fc.integer({ min: 0, max: 40 }).map((n) => `d${n}`),
      score: fc.oneof(fc.double({ min: 0, max: 50, noNaN: true }), fc.integer({ min: 0, max: 3 })),
    }),
    { selector: ({ id }) => id, maxLength: 30 },
  )
  .map((entries) => entries.map(({ id, score }) => candidate(id, score)).sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)));

export const rankedLists: fc.Arbitrary<readonly RankedList[]> = fc.array(
  fc.record({ candidates: rankedCandidates, weight: fc.double({ min: 0.01, max: 1, noNaN: true }) }),
  { minLength: 1, maxLength: 4 },
);

export const ids = (fused: readonly { readonly chunk: { readonly id: string } }[]): readonly string[] => fused.map(({ chunk }) => chunk.id);
