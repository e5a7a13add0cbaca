import { unlessAborted } from "../../runtime/cancellation.ts";
import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { ActorContext, Asks, Behavior, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { RetrievalIndex } from "./index/index.ts";
import { type PipelineAnswer, runPipeline } from "./pipeline/pipeline.ts";
import type { PipelineParts, PreparedSearch } from "./pipeline/search_context.ts";

// Invariants:
//   R1. The failure of a service is the service's: it is answered as a value and does not count against the retriever,
//       whose own breaker would otherwise stay open when the service is back.
//   R2. A refresh overtakes the searches that were asked after it, since it travels on the control lane.
//   R3. The index changes in `receive` only; a search that runs meanwhile holds the index it began with.

/** The outcome of a search as the actor sees it. */
export type SearchOutcome =
  | { readonly kind: "answered"; readonly answer: PipelineAnswer }
  /** The query's own fault, or a service's (R1). */
  | { readonly kind: "refused"; readonly error: KennelError };

interface SearchMessage extends Asks<SearchOutcome> {
  readonly kind: "search";
  readonly search: PreparedSearch;
}

/** Answered with the index version that searches see from now on. */
interface RefreshMessage extends Asks<number> {
  readonly kind: "refresh";
  readonly indexVersion: number;
}

interface ProbeMessage extends Asks<true> {
  readonly kind: "probe";
}

/** Piped work has ended. */
interface EndedMessage {
  readonly kind: "ended";
  readonly ask: PendingAsk;
  readonly outcome: Outcome<unknown>;
}

export type RetrieverMessage = SearchMessage | RefreshMessage | ProbeMessage | EndedMessage;

export interface RetrieverState {
  readonly index: RetrievalIndex;
}

export interface RetrieverOptions {
  /** Makes the index of one incarnation; opens nothing. */
  readonly openIndex: () => RetrievalIndex;
  readonly parts: PipelineParts;
  /** Time that opening tables and a first search may take at start; what is slower is left to the first query. */
  readonly warmLimitMs: number;
  /** Told once per incarnation, before the first search. */
  readonly onIndex: (index: RetrievalIndex) => void;
  /** Told why warming failed; the retriever starts nevertheless. */
  readonly onColdStart: (error: KennelError) => void;
}

/** The actor that answers for one collection on this node: it owns the index and runs queries side by side over it. */
export function retriever(options: RetrieverOptions): Behavior<RetrieverState, RetrieverMessage> {
  const { parts } = options;
  return {
    async start(context) {
      const index = options.openIndex();
      await warm(index, options, context);
      options.onIndex(index);
      return { index };
    },

    receive(state, message, context) {
      switch (message.kind) {
        case "search":
          search(state.index, message.search, parts, context);
          return state;
        case "refresh":
          refresh(state.index, message.indexVersion, parts, context);
          return state;
        case "probe":
          context.pendingAsk?.reply(true);
          return state;
        case "ended":
          if (message.outcome.ok) message.ask.reply(message.outcome.value);
          else message.ask.fail(message.outcome.error);
          return state;
      }
    },

    stop: ({ index }) => index.close(),
  };
}

/** A store that is down at start is no reason not to start (R1): the searches will find out for themselves. */
async function warm(index: RetrievalIndex, options: RetrieverOptions, context: ActorContext<RetrieverMessage>): Promise<void> {
  const limit = new AbortController();
  const timer = context.clock.setTimer(options.warmLimitMs, () => limit.abort(kennelError("deadline_exceeded")));
  const signal = AbortSignal.any([limit.signal, context.stopping]);
  try {
    await unlessAborted(index.warm(signal), signal);
  } catch (thrown) {
    if (context.stopping.aborted) throw toKennelError(thrown);
    const error = toKennelError(thrown);
    if (error.code !== "not_found") options.onColdStart(error); // no index yet: nothing was put into the collection
  } finally {
    timer.cancel();
  }
}

function search(index: RetrievalIndex, prepared: PreparedSearch, parts: PipelineParts, context: ActorContext<RetrieverMessage>): void {
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

function refresh(index: RetrievalIndex, indexVersion: number, parts: PipelineParts, context: ActorContext<RetrieverMessage>): void {
  const ask = context.pendingAsk;
  if (ask === null) return;
  if (indexVersion > index.indexVersion) parts.parentTexts.clear();
  const refreshed = index.refresh(indexVersion, context.stopping);
  if (!(refreshed instanceof Promise)) {
    ask.reply(index.indexVersion);
    return;
  }
  context.pipe(
    async () => {
      await refreshed;
      return index.indexVersion;
    },
    (outcome) => ({ kind: "ended", ask, outcome }),
    ask,
  );
}
