import { toKennelError } from "../../../runtime/errors.ts";
import { readyText } from "../index/passage.ts";
import type { ReadyHit } from "./answer.ts";
import { within } from "./deadline.ts";
import type { Found } from "./find.ts";
import type { RankedHit } from "./refine.ts";
import type { SearchContext } from "./search_context.ts";

/** Hits with what they show: their own passages, or their parents' where the strategy wants them. Who has gone meanwhile is left out. */
export async function completeHits(context: SearchContext, { ranking: { hits }, passages }: Found): Promise<readonly ReadyHit[]> {
  const texts = context.search.plan.groupBy === "parent" ? await fetchParents(context, hits) : null;
  const ready: ReadyHit[] = [];
  for (const [position, hit] of hits.entries()) {
    const passage = passages[position];
    if (passage === null || passage === undefined) continue;
    const parentId = texts === null ? null : hit.fused.chunk.parentId;
    ready.push({ hit, passage, parentText: parentId === null ? null : (texts?.get(parentId) ?? null) });
  }
  if (ready.length < hits.length) context.parts.metrics.count("passage_gone", hits.length - ready.length);
  return ready;
}

/**
 * Parents' texts by id. The one optional phase: it is left out when its usual duration does not fit into what remains, and
 * given up when it overruns its share; the children's own texts then stand, and the answer says so. Never rejects.
 */
async function fetchParents(context: SearchContext, hits: readonly RankedHit[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const { clock, times, limits, parentTexts, documents, collection, version } = context.parts;
  const texts = new Map<string, Uint8Array>();
  const lacking: string[] = [];
  for (const { fused } of hits) {
    const id = fused.chunk.parentId;
    if (id === null) continue;
    const known = parentTexts.get(id);
    if (known === undefined) lacking.push(id);
    else texts.set(id, known);
  }
  if (lacking.length === 0) return texts;
  if ((times.p95("parents") ?? 0) > context.deadline.remainingMs) {
    context.degrade("parents", "skipped_for_deadline", "document_store");
    return texts;
  }
  const startedMs = clock.monotonicMs();
  const { generation } = parentTexts;
  try {
    const passages = await within(clock, context.deadline.share(limits.parentsShare), context.signal, (signal) =>
      documents.getParents(collection, version, lacking, signal),
    );
    for (const { id, text } of passages) {
      const ready = readyText(text);
      texts.set(id, ready);
      parentTexts.put(id, ready, generation);
    }
  } catch (thrown) {
    context.degrade("parents", toKennelError(thrown).code, "document_store");
  }
  context.took("parents", startedMs);
  return texts;
}
