import type { CalledIndex } from "../index/index.ts";
import type { ParentText, ReadyPassage } from "../index/passage.ts";
import { within } from "./deadline.ts";
import { findRows } from "./find_rows.ts";
import { type Ranking, refine } from "./refine.ts";
import { retrieve } from "./retrieve.ts";
import type { SearchContext } from "./search_context.ts";

export interface Found {
  readonly ranking: Ranking;
  /** Of the ranking's hits, in their order; null: the chunk has gone meanwhile. */
  readonly passages: readonly (ReadyPassage | null)[];
  /** What they show where parents are shown, in their order; null: the document store has to be asked. */
  readonly parentTexts: readonly ParentText[] | null;
}

/** Phases 3 to 5: from the query to ranked hits and their passages. */
export function find(context: SearchContext): Promise<Found> {
  const { index } = context;
  return index.kind === "resident" ? findRows(context, index) : findInStore(context, index);
}

async function findInStore(context: SearchContext, index: CalledIndex): Promise<Found> {
  const answers = await retrieve(context, index);
  const rankingMs = context.parts.clock.monotonicMs();
  const { ranking, chunks } = refine(context, answers);
  context.took("fuse", rankingMs);
  if (chunks.length === 0) return { ranking, passages: [], parentTexts: null };
  const startedMs = context.parts.clock.monotonicMs();
  const passages = await context.traced("fetch", () =>
    within(context.parts.clock, context.deadline.remainingMs, context.signal, (signal) =>
      index.passages(chunks, signal, context.search.visible),
    ),
  );
  context.noted("fetch", startedMs);
  return { ranking, passages, parentTexts: null };
}
