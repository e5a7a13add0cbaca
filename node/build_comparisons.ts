import { type Catalog, pinned } from "../actors/document_store/catalog.ts";
import type { CollectionRecord } from "../actors/document_store/collection_record.ts";
import type { ComparisonPlan } from "../actors/document_store/index_version.ts";
import type { BuildComparer } from "../actors/ingest/comparing.ts";
import { BuildsCompared, type ComparedQuestion, judgedQuestions } from "../actors/retriever/evaluation/build_comparison.ts";
import type { PopularQueries } from "../actors/retriever/registry/popular_queries.ts";
import type { RetrieverRegistry } from "../actors/retriever/registry/registry.ts";
import type { SearchRequest } from "../actors/retriever/search.ts";
import { checkFilter } from "../actors/vector_store/filter.ts";
import type { Clock } from "../runtime/clock.ts";
import { withinLimit } from "../supervisor/time_limit.ts";

/** Longest search of a comparison; it may have to open the build's retriever first. */
const SEARCH_TIMEOUT_MS = 20_000;

interface Parts {
  readonly catalog: Pick<Catalog, "resolve">;
  readonly registry: Pick<RetrieverRegistry, "searchBuild">;
  readonly popular: Pick<PopularQueries, "top">;
  readonly clock: Clock;
}

/**
 * Compares builds through this node's own retrievers: with judged questions where there are any, else with what was asked
 * most of late, each in the scope of those who asked it.
 */
export function compareBuilds({ catalog, registry, popular, clock }: Parts): BuildComparer {
  return ({ name, version: active }, next, plan) =>
    new BuildsCompared(
      {
        active,
        next,
        search: (version, request, scope, signal) =>
          withinLimit(clock, SEARCH_TIMEOUT_MS, "A search of the comparison took too long", (within) => {
            // As it is now: an index that has changed since the comparison began is searched as it has become.
            const record = catalog.resolve(name)?.record;
            if (record === undefined) throw new TypeError("A collection that is compared is there");
            const headers = { requestId: "comparison", timeoutMs: SEARCH_TIMEOUT_MS, traceparent: null, scope };
            return registry.searchBuild(pinned(record, version), request, headers, AbortSignal.any([signal, within]));
          }),
      },
      plan,
      plan.judged === null ? recentQuestions(catalog, popular, name, plan) : judgedQuestions(name, plan),
    );
}

function recentQuestions(
  catalog: Pick<Catalog, "resolve">,
  popular: Pick<PopularQueries, "top">,
  name: CollectionRecord["name"],
  plan: ComparisonPlan,
): readonly ComparedQuestion[] {
  const record = catalog.resolve(name)?.record;
  if (record === undefined) return [];
  return popular
    .top(name)
    .slice(0, plan.maxQueries)
    .flatMap(({ request, scope }) => {
      const filter = filterOf(request, record);
      return filter === undefined ? [] : [{ request: { ...request, collection: name, filter }, scope, grades: null }];
    });
}

/** A filter that was read from disk is of any shape until it is checked; undefined: it fits no more. */
function filterOf({ filter }: SearchRequest, { attributes }: CollectionRecord): SearchRequest["filter"] | undefined {
  try {
    return filter === null ? null : checkFilter(filter, attributes);
  } catch {
    return undefined;
  }
}
