import { toKennelError } from "../../runtime/errors.ts";
import type { ActorContext } from "../../supervisor/kernel/behavior.ts";
import type { RetrievalIndex } from "./index/index.ts";
import type { RetrieverMessage, SearchOutcome } from "./messages.ts";
import { runPipeline } from "./pipeline/pipeline.ts";
import type { PipelineParts, PreparedSearch } from "./pipeline/search_context.ts";

/** Runs a search beside the others and answers its ask; what a service or the query is to blame for is a value (R1 of retriever.ts). */
export function answerSearch(
  index: RetrievalIndex,
  prepared: PreparedSearch,
  parts: PipelineParts,
  context: ActorContext<RetrieverMessage>,
): void {
  const ask = context.pendingAsk;
  if (ask === null) return;
  context.pipe<SearchOutcome>(
    async (signal) => {
      try {
        return { kind: "answered", answer: await runPipeline(parts, index, prepared, ask.deadlineMs, signal) };
      } catch (thrown) {
        const error = toKennelError(thrown);
        if (error.code === "internal") throw error;
        return { kind: "refused", error };
      }
    },
    (outcome) => ({ kind: "ended", ask, outcome }),
    ask,
  );
}
