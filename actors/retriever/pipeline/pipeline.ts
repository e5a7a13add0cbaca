import { kennelError } from "../../../runtime/errors.ts";
import type { RetrievalIndex } from "../index/index.ts";
import { finish, isRefined, refinementDepth, thin } from "../refinement/refinement.ts";
import { type EncodedAnswer, PLAIN_STRATEGIES, type Strategy } from "../search.ts";
import { modeAfter, rewrite } from "../strategies/rewrite.ts";
import { encodeHits } from "./answer.ts";
import { Deadline } from "./deadline.ts";
import { find } from "./find.ts";
import { explainPlanner } from "./optional_phase.ts";
import { completeHits } from "./parents.ts";
import { rerank, rerankDepth } from "./rerank.ts";
import { type PipelineParts, type PreparedSearch, SearchContext } from "./search_context.ts";

/** Strategies that have nothing written. */
const PLAIN: ReadonlySet<Strategy> = new Set(PLAIN_STRATEGIES);

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
  const { request, plan } = search;
  if (request.rerank && parts.reranker === null) {
    throw kennelError("invalid_request", { message: "This node has no reranker; leave rerank out", param: "rerank" });
  }
  const wanted = isRefined(request) ? { ...request, topK: refinementDepth(request) } : request;
  const asked = request.rerank ? { ...wanted, topK: rerankDepth(wanted) } : wanted;
  const first = asked === request ? search : { ...search, request: asked };
  const context = new SearchContext(parts, index, first, new Deadline(clock, deadlineMs), signal);
  const { indexVersion, kind } = index;
  const dimensions = parts.adoptedDimensions ?? parts.model.dimensions;
  if (request.vector !== null && request.vector.length !== dimensions) {
    throw kennelError("invalid_request", {
      message: `Vector has ${request.vector.length} components, the collection's vectors have ${dimensions}`,
      param: "vector",
    });
  }
  context.took("queue", search.receivedMs);
  explainPlanner(context);

  if (!PLAIN.has(request.strategy)) await rewrite(context);
  const found = await find(context);
  const ranked = request.rerank ? await rerank(context, found, wanted) : found;
  const hits = isRefined(request)
    ? finish(await completeHits(context, thin(context, ranked, request)), request)
    : await completeHits(context, ranked);
  const startedMs = clock.monotonicMs();
  const encoded = encodeHits(hits, ranked.ranking, request.include);
  context.took("encode", startedMs);
  context.noted("total", search.receivedMs);

  return {
    answer: {
      hits: encoded,
      rest: {
        mode: modeAfter(context),
        degradations: [...plan.degradations, ...context.failures],
        timings_ms: rounded(context.timings),
        cache: "miss",
        index_version: indexVersion,
        freshness: { index: kind, age_ms: parts.ageMs() },
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
