import { unlessAborted } from "../../runtime/cancellation.ts";
import type { Timer } from "../../runtime/clock.ts";
import { type KennelError, kennelError, neverReached, toKennelError } from "../../runtime/errors.ts";
import type { ActorContext, Behavior, Outcome } from "../../supervisor/kernel/behavior.ts";
import type { RetrievalIndex } from "./index/index.ts";
import type { MemoryIndex } from "./index/memory_index.ts";
import type { IndexWrite, Residency } from "./index/residency.ts";
import type { StoreIndex } from "./index/store_index.ts";
import type { RetrieverMessage, SearchOutcome } from "./messages.ts";
import { runPipeline } from "./pipeline/pipeline.ts";
import type { PipelineParts, PreparedSearch } from "./pipeline/search_context.ts";

// Invariants:
//   R1. The failure of a service is the service's: it is answered as a value and does not count against the retriever,
//       whose own breaker would otherwise stay open when the service is back.
//   R2. Refreshes and writes overtake the searches that were asked after them, since they travel on the control lane, and
//       keep their own order.
//   R3. The state changes in `receive` only. A search over the store holds the index it began with; one over memory reads
//       it within one turn.
//   R4. Whatever befalls the index in memory, the store's index takes over: building, merging and saving never fail a query.

export type RetrieverState =
  /** The store answers every search. `isFinal`: until the collection is opened anew. */
  | { readonly kind: "store"; readonly index: StoreIndex; readonly isFinal: boolean }
  /** The store answers while the index in memory is made; `backlog` is what was written since that began. */
  | {
      readonly kind: "building";
      readonly index: StoreIndex;
      /** Ends this build, and tells its outcome from an earlier one's. */
      readonly build: AbortController;
      readonly backlog: readonly IndexWrite[];
      readonly backlogRows: number;
    }
  /** Memory answers. `isKept`: a merge or a snapshot is under way; `isSaved`: a snapshot holds all there is. */
  | {
      readonly kind: "resident";
      readonly index: MemoryIndex;
      readonly isKept: boolean;
      readonly isSaved: boolean;
      readonly saveTimer: Timer | null;
    };

export interface RetrieverOptions {
  /** Makes the store's index at the newest index version; opens nothing. */
  readonly openStoreIndex: () => StoreIndex;
  /** Null: the collection is not to be resident, and `storeReason` says why. */
  readonly residency: Residency | null;
  readonly storeReason: string;
  readonly parts: PipelineParts;
  /** Time that opening tables and a first search, or a snapshot, may take at start; what is slower is left for later. */
  readonly warmLimitMs: number;
  /** Told whenever another index answers, before the first search of it. */
  readonly onIndex: (index: RetrievalIndex, reason: string | null) => void;
  /** Told why a step towards a warm index failed; the retriever goes on without it. */
  readonly onTrouble: (step: "warm" | "load" | "build" | "write" | "keep", error: KennelError) => void;
}

type Context = ActorContext<RetrieverMessage>;

/** The actor that answers for one collection on this node: it owns the index and runs queries side by side over it. */
export function retriever(options: RetrieverOptions): Behavior<RetrieverState, RetrieverMessage> {
  return new Retriever(options);
}

class Retriever implements Behavior<RetrieverState, RetrieverMessage> {
  readonly #options: RetrieverOptions;

  constructor(options: RetrieverOptions) {
    this.#options = options;
  }

  async start(context: Context): Promise<RetrieverState> {
    const index = this.#options.openStoreIndex();
    const loaded = await this.#atStart(context, "load", (signal) => this.#options.residency?.load(index.indexVersion, signal) ?? null);
    if (loaded !== null) return this.#resident(loaded, true);
    const state = this.#build(index, context);
    // While memory is being filled the store answers, so its tables are opened in any case.
    await this.#atStart(context, "warm", (signal) => index.warm(signal));
    return state;
  }

  receive(state: RetrieverState, message: RetrieverMessage, context: Context): RetrieverState | Promise<RetrieverState> {
    switch (message.kind) {
      case "search":
        search(state.index, message.search, this.#options.parts, context);
        return state;
      case "refresh":
        return this.#refresh(state, message.indexVersion, context);
      case "write":
        return this.#write(state, message.write, context);
      case "probe":
        context.pendingAsk?.reply(true);
        return state;
      case "ended":
        if (message.outcome.ok) message.ask.reply(message.outcome.value);
        else message.ask.fail(message.outcome.error);
        return state;
      case "build":
        return state.kind === "store" ? this.#build(state.index, context) : state;
      case "built":
        return this.#built(state, message, context);
      case "save":
        return this.#keep(state, context);
      case "kept":
        return this.#kept(state, message.outcome, context);
      default:
        return neverReached(message);
    }
  }

  async stop(state: RetrieverState): Promise<void> {
    if (state.kind === "resident") {
      state.saveTimer?.cancel();
      if (!state.isSaved) await this.#options.residency?.saveAtEnd(state.index).catch((thrown) => this.#trouble("keep", thrown));
    }
    await state.index.close();
  }

  /** A store or a snapshot that fails at start is no reason not to start (R1, R4). */
  async #atStart<Value>(
    context: Context,
    step: "warm" | "load",
    work: (signal: AbortSignal) => Promise<Value> | null,
  ): Promise<Value | null> {
    const limit = new AbortController();
    const timer = context.clock.setTimer(this.#options.warmLimitMs, () => limit.abort(kennelError("deadline_exceeded")));
    const signal = AbortSignal.any([limit.signal, context.stopping]);
    try {
      const started = work(signal);
      return started === null ? null : await unlessAborted(started, signal);
    } catch (thrown) {
      if (context.stopping.aborted) throw toKennelError(thrown);
      // Without an index nothing was put into the collection yet.
      if (toKennelError(thrown).code !== "not_found") this.#trouble(step, thrown);
      return null;
    } finally {
      timer.cancel();
    }
  }

  #build(index: StoreIndex, context: Context): RetrieverState {
    const { residency, storeReason } = this.#options;
    if (residency === null) return this.#store(index, storeReason, true);
    const { indexVersion } = index;
    const build = new AbortController();
    context.pipe(
      (signal) => residency.build(indexVersion, AbortSignal.any([signal, build.signal])),
      (outcome) => ({ kind: "built", build, outcome }),
    );
    this.#options.onIndex(index, "the index in memory is being built");
    return { kind: "building", index, build, backlog: [], backlogRows: 0 };
  }

  #store(index: StoreIndex, reason: string, isFinal: boolean): RetrieverState {
    this.#options.onIndex(index, reason);
    return { kind: "store", index, isFinal };
  }

  #resident(index: MemoryIndex, isSaved: boolean): RetrieverState {
    this.#options.onIndex(index, null);
    return { kind: "resident", index, isKept: false, isSaved, saveTimer: null };
  }

  /** What was given up for lack of memory is not tried again before the collection is opened anew. */
  #giveUp(step: "build" | "write", thrown: unknown, index: StoreIndex, context: Context): RetrieverState {
    const error = this.#trouble(step, thrown);
    const { residency } = this.#options;
    const isFinal = residency === null || error.code === "storage_full";
    if (!isFinal) {
      const timer = context.clock.setTimer(residency.limits.retryAfterMs, () => context.self.tell({ kind: "build" }, { lane: "control" }));
      context.stopping.addEventListener("abort", () => timer.cancel(), { once: true });
    }
    return this.#store(index, `the index in memory failed: ${error.message}`, isFinal);
  }

  async #built(
    state: RetrieverState,
    { build, outcome }: { readonly build: AbortController; readonly outcome: Outcome<MemoryIndex> },
    context: Context,
  ): Promise<RetrieverState> {
    const { residency } = this.#options;
    if (state.kind !== "building" || state.build !== build || residency === null) return state; // it was given up meanwhile
    if (!outcome.ok) return this.#giveUp("build", outcome.error, state.index, context);
    try {
      for (const write of state.backlog) await residency.write(outcome.value, write);
    } catch (thrown) {
      return this.#giveUp("build", thrown, state.index, context);
    }
    outcome.value.refresh(state.index.indexVersion);
    await state.index.close();
    return this.#saveLater(this.#resident(outcome.value, false), context);
  }

  #refresh(state: RetrieverState, indexVersion: number, context: Context): RetrieverState {
    const isNewer = indexVersion > state.index.indexVersion;
    if (isNewer) this.#options.parts.parentTexts.clear();
    state.index.refresh(indexVersion);
    context.pendingAsk?.reply(state.index.indexVersion);
    // A snapshot of the version before is of no use any more.
    return isNewer && state.kind === "resident" ? this.#saveLater({ ...state, isSaved: false }, context) : state;
  }

  async #write(state: RetrieverState, write: IndexWrite, context: Context): Promise<RetrieverState> {
    const ask = context.pendingAsk;
    const next = await this.#apply(state, write, context);
    ask?.reply(true);
    return next;
  }

  async #apply(state: RetrieverState, write: IndexWrite, context: Context): Promise<RetrieverState> {
    const { residency } = this.#options;
    switch (state.kind) {
      case "store":
        return state.isFinal ? state : this.#build(state.index, context);
      case "building": {
        const backlogRows = state.backlogRows + write.rows.length + write.documentIds.length;
        if (residency !== null && backlogRows <= residency.limits.maxBacklogRows) {
          return { ...state, backlog: [...state.backlog, write], backlogRows };
        }
        state.build.abort();
        return this.#giveUp(
          "build",
          kennelError("overloaded", { message: "more was written than a build can wait for" }),
          state.index,
          context,
        );
      }
      case "resident": {
        try {
          await residency?.write(state.index, write);
        } catch (thrown) {
          state.saveTimer?.cancel();
          return this.#giveUp("write", thrown, this.#options.openStoreIndex(), context);
        }
        const written = { ...state, isSaved: false };
        return state.index.resident.needsMerge ? this.#keep(written, context) : this.#saveLater(written, context);
      }
      default:
        return neverReached(state);
    }
  }

  /** Merges where that is worth while, else saves a snapshot; one at a time. */
  #keep(state: RetrieverState, context: Context): RetrieverState {
    const { residency } = this.#options;
    if (state.kind !== "resident" || residency === null) return state;
    if (state.isKept) return this.#saveLater(state, context);
    const { index } = state;
    const isMerge = index.resident.needsMerge;
    context.pipe<unknown>(
      (signal) => (isMerge ? residency.merge(index, signal) : residency.save(index, signal)),
      (outcome) => ({ kind: "kept", outcome }),
    );
    // What is written from now on is not in this snapshot.
    return { ...state, isKept: true, isSaved: !isMerge };
  }

  #kept(state: RetrieverState, outcome: Outcome<unknown>, context: Context): RetrieverState {
    if (state.kind !== "resident") return state;
    if (!outcome.ok) this.#trouble("keep", outcome.error);
    const kept = { ...state, isKept: false, isSaved: state.isSaved && outcome.ok && outcome.value !== false };
    return kept.isSaved ? kept : this.#saveLater(kept, context);
  }

  #saveLater(state: RetrieverState, context: Context): RetrieverState {
    const { residency } = this.#options;
    if (state.kind !== "resident" || residency === null) return state;
    state.saveTimer?.cancel();
    const saveTimer = context.clock.setTimer(residency.limits.saveAfterMs, () => context.self.tell({ kind: "save" }, { lane: "control" }));
    return { ...state, saveTimer };
  }

  #trouble(step: "warm" | "load" | "build" | "write" | "keep", thrown: unknown): KennelError {
    const error = toKennelError(thrown);
    this.#options.onTrouble(step, error);
    return error;
  }
}

function search(index: RetrievalIndex, prepared: PreparedSearch, parts: PipelineParts, context: Context): void {
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
