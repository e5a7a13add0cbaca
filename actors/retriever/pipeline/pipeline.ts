import { kennelError } from "../../../runtime/errors.ts";
import type { RetrievalIndex } from "../index/index.ts";
import type { EncodedAnswer } from "../search.ts";
import { encodeHits } from "./answer.ts";
import { Deadline } from "./deadline.ts";
import { find } from "./find.ts";
import { completeHits } from "./parents.ts";
import { type PipelineParts, type PreparedSearch, SearchContext } from "./search_context.ts";

export interface PipelineAnswer {
  readonly answer: EncodedAnswer;
  /** Nothing failed or was left out on the way, so the next one who asks the same may have it, too. */
  readonly isKeepable: boolean;
}

/**
 * A query's phases from admission to the written answer. The answer holds at least the index version that `index` had when
 * the query began: whoever keeps the answer keeps it under that version.
 * @param deadlineMs on the clock's monotonic side
 */
export async function runPipeline(
  parts: PipelineParts,
  index: RetrievalIndex,
  search: PreparedSearch,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<PipelineAnswer> {
  const { clock } = parts;
  const { request, plan, mode } = search;
  const context = new SearchContext(parts, index, search, new Deadline(clock, deadlineMs), signal);
  const { indexVersion, kind, ageMs } = index;
  if (request.vector !== null && request.vector.length !== parts.model.dimensions) {
    throw kennelError("invalid_request", {
      message: `Vector has ${request.vector.length} components, the collection's vectors have ${parts.model.dimensions}`,
      param: "vector",
    });
  }
  context.took("queue", search.receivedMs);

  const found = await find(context);
  const hits = await completeHits(context, found);
  const startedMs = clock.monotonicMs();
  const encoded = encodeHits(hits, found.ranking, request.include);
  context.took("encode", startedMs);
  context.took("total", search.receivedMs);

  return {
    answer: {
      hits: encoded,
      rest: {
        mode,
        degradations: [...plan.degradations, ...context.failures],
        timings_ms: rounded(context.timings),
        cache: "miss",
        index_version: indexVersion,
        freshness: { index: kind, age_ms: ageMs },
        ...(request.explain ? { explain: context.explain } : {}),
      },
    },
    isKeepable: context.failures.length === 0,
  };
}

/** Microseconds are enough. */
function rounded(timings: Readonly<Partial<Record<string, number>>>): Readonly<Record<string, number>> {
  const written: Record<string, number> = {};
  for (const [phase, durationMs] of Object.entries(timings)) written[phase] = Math.round((durationMs ?? 0) * 1_000) / 1_000;
  return written;
}
