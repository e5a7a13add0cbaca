import { isVisible } from "../../vector_store/filter.ts";
import { readyText } from "../index/passage.ts";
import type { ReadyHit } from "./answer.ts";
import type { Found } from "./find.ts";
import { runOptional } from "./optional_phase.ts";
import type { SearchContext, ShownParent } from "./search_context.ts";

/**
 * Hits with what they show: their own passages, or their parents' where the strategy wants them. Who has gone meanwhile is
 * left out. Waits for nothing but parents that the index does not hold.
 */
export async function completeHits(context: SearchContext, found: Found): Promise<readonly ReadyHit[]> {
  const { hits } = found.ranking;
  const lacking = context.search.plan.groupBy === "parent" ? lackingParents(found) : [];
  const fetched = lacking.length === 0 ? null : await fetchParents(context, lacking);
  const ready: ReadyHit[] = [];
  for (const [position, hit] of hits.entries()) {
    const passage = found.passages[position];
    if (passage === null || passage === undefined) continue;
    const known = found.parentTexts?.[position];
    const parentText = known instanceof Uint8Array ? known : hit.parentId === null ? null : (fetched?.get(hit.parentId) ?? null);
    ready.push({ hit, passage, parentText });
  }
  if (ready.length < hits.length) context.parts.metrics.count("passage_gone", hits.length - ready.length);
  return ready;
}

/** Parents that the hits show and the index does not hold. */
function lackingParents({ ranking: { hits }, parentTexts }: Found): readonly string[] {
  const lacking: string[] = [];
  for (const [position, { parentId }] of hits.entries()) {
    if (parentId !== null && (parentTexts === null || parentTexts[position] === "unknown")) lacking.push(parentId);
  }
  return lacking;
}

/**
 * Parents' texts by id, from the document store; of one that was given to others since its child was found, none. An optional phase: without it the children's own texts stand. Never rejects.
 */
async function fetchParents(context: SearchContext, ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const { limits, parentTexts, documents, collection, version } = context.parts;
  const { visible } = context.search;
  const texts = new Map<string, Uint8Array>();
  const show = (id: string, { text, principals }: ShownParent): void => {
    if (visible === null || isVisible(visible, principals)) texts.set(id, text);
  };
  const lacking: string[] = [];
  for (const id of ids) {
    const known = parentTexts.get(id);
    if (known === undefined) lacking.push(id);
    else show(id, known);
  }
  if (lacking.length === 0) return texts;
  const { generation } = parentTexts;
  const phase = { name: "parents", role: "document_store", share: limits.parentsShare } as const;
  const passages = await runOptional(context, phase, (signal) => documents.getParents(collection, version, lacking, signal));
  for (const { id, text, principals } of passages ?? []) {
    const ready = { text: readyText(text), principals };
    show(id, ready);
    parentTexts.put(id, ready, generation);
  }
  return texts;
}
