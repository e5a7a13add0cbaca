import type { ReadyPassage } from "../index/passage.ts";
import { within } from "./deadline.ts";
import { type Ranking, refine } from "./refine.ts";
import { embedQuery, retrieve, retrieveAtOnce } from "./retrieve.ts";
import type { SearchContext } from "./search_context.ts";

export interface Found {
  readonly ranking: Ranking;
  /** Of the ranking's hits, in their order; null: the chunk has gone meanwhile. */
  readonly passages: readonly (ReadyPassage | null)[];
}

/** Phases 3 to 5: from the query to ranked hits and their passages. */
export async function find(context: SearchContext): Promise<Found> {
  return context.index.kind === "resident" ? findAtOnce(context) : findInStore(context);
}

async function findInStore(context: SearchContext): Promise<Found> {
  const ranking = ranked(context, await retrieve(context));
  if (ranking.hits.length === 0) return { ranking, passages: [] };
  const startedMs = context.parts.clock.monotonicMs();
  const chunks = ranking.hits.map(({ fused }) => fused.chunk);
  const passages = await within(context.parts.clock, context.deadline.remainingMs, context.signal, (signal) =>
    context.index.passages(chunks, signal),
  );
  context.took("fetch", startedMs);
  return { ranking, passages };
}

/** What candidates of an index in memory stand for holds until it is written to: after the embedding there is no wait. */
async function findAtOnce(context: SearchContext): Promise<Found> {
  const embedded = await embedQuery(context);
  const ranking = ranked(context, retrieveAtOnce(context, embedded));
  const passages = context.index.passages(
    ranking.hits.map(({ fused }) => fused.chunk),
    context.signal,
  );
  if (passages instanceof Promise) throw new TypeError("An index that answers at once has made its caller wait");
  return { ranking, passages };
}

function ranked(context: SearchContext, answers: Parameters<typeof refine>[1]): Ranking {
  const startedMs = context.parts.clock.monotonicMs();
  const ranking = refine(context, answers);
  context.took("fuse", startedMs);
  return ranking;
}
