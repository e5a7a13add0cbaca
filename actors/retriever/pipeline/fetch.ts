import { toKennelError } from "../../../runtime/errors.ts";
import { readyText } from "../index/passage.ts";
import type { ReadyHit } from "./answer.ts";
import { within } from "./deadline.ts";
import type { RankedHit, Ranking } from "./refine.ts";
import type { SearchContext } from "./search_context.ts";

/** The hits' passages, and their parents' where the strategy wants them. A hit whose passage has gone meanwhile is left out. */
export async function fetchHits(context: SearchContext, ranking: Ranking): Promise<readonly ReadyHit[]> {
  const { hits } = ranking;
  if (hits.length === 0) return [];
  const parents = context.search.plan.groupBy === "parent" ? fetchParents(context, hits) : null;
  const startedMs = context.parts.clock.monotonicMs();
  const chunks = hits.map(({ fused }) => fused.chunk);
  const found = within(context.parts.clock, context.deadline.remainingMs, context.signal, (signal) =>
    context.index.passages(chunks, signal),
  );
  const passages = found instanceof Promise ? await found : found;
  context.took("fetch", startedMs);
  const texts = await parents;
  const ready: ReadyHit[] = [];
  for (const [position, hit] of hits.entries()) {
    const passage = passages[position];
    if (passage === null || passage === undefined) continue;
    ready.push({ hit, passage, parentText: texts?.get(hit.fused.chunk.parentId ?? "") ?? null });
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
  if ((times.p95("parents") ?? 0) > context.deadline.remainingMs - (times.p95("fetch") ?? 0)) {
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
