import { cancellationOf } from "../../runtime/cancellation.ts";
import { type KennelError, kennelError, neverReached, toKennelError } from "../../runtime/errors.ts";
import type { ActorContext, Behavior, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import { answerSearch } from "./answer_search.ts";
import type { MemoryIndex } from "./index/memory_index.ts";
import type { IndexWrite, Residency } from "./index/residency.ts";
import type { StoreIndex } from "./index/store_index.ts";
import { LATE, type LoadedIndex, loadedOrBuilt, loadIndex, settled, within } from "./make_index.ts";
import type { MadeIndex, RetrieverMessage } from "./messages.ts";
import type { Comeback, RetrieverOptions, RetrieverState } from "./retriever_state.ts";

// Invariants:
//   R1. The failure of a service is the service's: it is answered as a value and does not count against the retriever,
//       whose own breaker would otherwise stay open when the service is back.
//   R2. Refreshes and writes overtake the searches that were asked after them, since they travel on the control lane, and
//       keep their own order.
//   R3. The state changes in `receive` only; what is written into an index in memory is applied by piped work, slice by
//       slice and in the order in which it came, so that searches go on between two slices. A search over the store holds
//       the index it began with; one over memory reads it within one turn.
//   R4. Whatever befalls the index in memory, the store's index takes over: loading, building, merging, saving and letting go
//       never fail a query, and none waits for them but at a start, where a load that begins at once is waited for a little.

type Context = ActorContext<RetrieverMessage>;

const NEVER: Comeback = { kind: "never" };
const MADE_ROOM = "the index in memory has made room for others";
/** Pause before an index that found no place in line is tried again. */
const TRY_AGAIN_MS = 1_000;

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
    const { openStoreIndex, residency } = this.#options;
    const index = openStoreIndex();
    if (residency === null) return this.#warmed(index, this.#make(index, context), context);
    const build = new AbortController();
    const isLoadedNow = residency.canLoadNow;
    const loading = this.#load(residency, index, AbortSignal.any([build.signal, context.stopping]));
    const loaded = isLoadedNow ? await within(context, residency.limits.loadPatienceMs, loading) : LATE;
    if (loaded !== LATE && loaded.ok && loaded.value !== null) return this.#resident(loaded.value, true);
    const state = this.#make(index, context, build, loading);
    // While others are loaded, places to start in are worth more than opened tables: whoever asks opens what it needs.
    return loaded === LATE ? state : this.#warmed(index, state, context);
  }

  receive(state: RetrieverState, message: RetrieverMessage, context: Context): RetrieverState | Promise<RetrieverState> {
    switch (message.kind) {
      case "search":
        answerSearch(state.index, message.search, this.#options.parts, context);
        return this.#searched(state, context);
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
        return state.kind === "store" ? this.#make(state.index, context) : state;
      case "built":
        return this.#built(state, message, context);
      case "written":
        return this.#written(state, message, context);
      case "save":
        return this.#keep(state, context);
      case "kept":
        return this.#kept(state, message, context);
      case "leave":
        return this.#leave(state, message.isToSave, context);
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

  /** Opens the store's tables, since the store answers while memory is being filled. */
  async #warmed(index: StoreIndex, state: RetrieverState, context: Context): Promise<RetrieverState> {
    const limit = new AbortController();
    const warming = settled(index.warm(AbortSignal.any([limit.signal, context.stopping])));
    const warmed = await within(context, this.#options.warmLimitMs, warming);
    const late = kennelError("deadline_exceeded");
    if (warmed === LATE) limit.abort(late);
    if (context.stopping.aborted) throw cancellationOf(context.stopping);
    const failure = warmed === LATE ? late : warmed.ok ? null : warmed.error;
    // A store that fails is no reason not to start (R1), and without an index nothing was put into the collection yet.
    if (failure !== null && failure.code !== "not_found") this.#trouble("warm", failure);
    return state;
  }

  #load(residency: Residency, { indexVersion }: StoreIndex, signal: AbortSignal): Promise<LoadedIndex> {
    return loadIndex(residency, indexVersion, signal, (error) => this.#trouble("load", error));
  }

  /** Begins to load the index in memory, or to build it where no snapshot is of use; the store answers meanwhile. */
  #make(
    index: StoreIndex,
    context: Context,
    build: AbortController = new AbortController(),
    begun: Promise<LoadedIndex> | null = null,
  ): RetrieverState {
    const { residency, storeReason } = this.#options;
    if (residency === null) return this.#store(index, storeReason, NEVER);
    context.pipe(
      (stopping) => {
        const signal = AbortSignal.any([stopping, build.signal]);
        return loadedOrBuilt(residency, index.indexVersion, begun ?? this.#load(residency, index, signal), signal);
      },
      (outcome) => ({ kind: "built", build, outcome }),
    );
    this.#options.onIndex(index, "the index in memory is being loaded or built");
    return { kind: "building", index, build, backlog: [], backlogRows: 0 };
  }

  #store(index: StoreIndex, reason: string, comeback: Comeback): RetrieverState {
    this.#options.onIndex(index, reason);
    return { kind: "store", index, comeback };
  }

  #resident(index: MemoryIndex, isSaved: boolean): RetrieverState {
    this.#options.onIndex(index, null);
    return { kind: "resident", index, isKept: false, isSaved, saveTimer: null, leaving: null };
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
    return this.#store(index, `the index in memory failed: ${error.message}`, isFinal ? NEVER : { kind: "after_pause" });
  }

  /** Too many indexes wait for what makes them; this one tries again when it is asked for. */
  #waitForSearch(index: StoreIndex, { message }: KennelError, context: Context): RetrieverState {
    const fromMs = context.clock.monotonicMs() + TRY_AGAIN_MS;
    return this.#store(index, `too many indexes wait to be loaded into memory: ${message}`, { kind: "on_search", fromMs });
  }

  async #built(
    state: RetrieverState,
    { build, outcome }: { readonly build: AbortController; readonly outcome: Outcome<MadeIndex> },
    context: Context,
  ): Promise<RetrieverState> {
    const { residency } = this.#options;
    if (state.kind !== "building" || state.build !== build || residency === null) return state; // it was given up meanwhile
    if (!outcome.ok && outcome.error.code === "overloaded") return this.#waitForSearch(state.index, outcome.error, context);
    if (!outcome.ok) return this.#giveUp("build", outcome.error, state.index, context);
    const { index, isSaved } = outcome.value;
    if (state.backlog.length > 0) {
      const { backlog } = state;
      context.pipe<MadeIndex>(
        async (signal) => {
          for (const write of backlog) await residency.write(index, write, signal);
          return { index, isSaved: false };
        },
        (caughtUp) => ({ kind: "built", build, outcome: caughtUp }),
      );
      return { ...state, backlog: [], backlogRows: 0 };
    }
    const isNewest = index.indexVersion === state.index.indexVersion;
    index.refresh(state.index.indexVersion);
    await state.index.close();
    const resident = this.#resident(index, isSaved && isNewest);
    return isSaved && isNewest ? resident : this.#saveLater(resident, context);
  }

  #searched(state: RetrieverState, context: Context): RetrieverState {
    if (state.kind === "store") {
      const { comeback } = state;
      return comeback.kind === "on_search" && context.clock.monotonicMs() >= comeback.fromMs ? this.#make(state.index, context) : state;
    }
    if (state.kind !== "resident" || state.leaving === null) return state;
    state.leaving.reply(false); // it is wanted: another one may leave
    return { ...state, leaving: null };
  }

  /** Lets go of what is held in memory, once it is saved where that is wanted; a search that comes before calls it off. */
  #leave(state: RetrieverState, isToSave: boolean, context: Context): RetrieverState {
    const ask = context.pendingAsk;
    switch (state.kind) {
      case "store":
        ask?.reply(true);
        return state;
      case "building":
        state.build.abort();
        ask?.reply(true);
        return this.#store(state.index, MADE_ROOM, NEVER);
      case "resident": {
        state.leaving?.reply(false);
        const leaving = { ...state, leaving: ask };
        if (!isToSave || ask === null || (state.isSaved && !state.isKept)) return this.#letGo(leaving);
        return state.isKept ? leaving : this.#keep(leaving, context);
      }
      default:
        return neverReached(state);
    }
  }

  #letGo({ saveTimer, leaving }: Extract<RetrieverState, { kind: "resident" }>): RetrieverState {
    saveTimer?.cancel();
    const state = this.#store(this.#options.openStoreIndex(), MADE_ROOM, NEVER);
    leaving?.reply(true);
    return state;
  }

  #refresh(state: RetrieverState, indexVersion: number, context: Context): RetrieverState {
    const isNewer = indexVersion > state.index.indexVersion;
    if (isNewer) this.#options.parts.parentTexts.clear();
    state.index.refresh(indexVersion);
    context.pendingAsk?.reply(state.index.indexVersion);
    // A snapshot of the version before is of no use any more.
    return isNewer && state.kind === "resident" ? this.#saveLater({ ...state, isSaved: false }, context) : state;
  }

  #write(state: RetrieverState, write: IndexWrite, context: Context): RetrieverState {
    const ask = context.pendingAsk;
    const { residency } = this.#options;
    if (state.kind === "resident" && residency !== null) {
      const { index } = state;
      context.pipe<void>(
        (signal) => residency.write(index, write, signal),
        (outcome) => ({ kind: "written", ask, index, outcome }),
        ask ?? undefined,
      );
      return state;
    }
    ask?.reply(true);
    switch (state.kind) {
      case "store":
        return state.comeback.kind === "after_pause" ? this.#make(state.index, context) : state;
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
      case "resident":
        return state;
      default:
        return neverReached(state);
    }
  }

  #written(
    state: RetrieverState,
    { ask, index, outcome }: { readonly ask: PendingAsk | null; readonly index: MemoryIndex; readonly outcome: Outcome<void> },
    context: Context,
  ): RetrieverState {
    const next = this.#afterWrite(state, index, outcome, context);
    ask?.reply(true); // the next search sees it: from memory, or from the store that has it anyway
    return next;
  }

  #afterWrite(state: RetrieverState, index: MemoryIndex, outcome: Outcome<void>, context: Context): RetrieverState {
    if (state.kind !== "resident" || state.index !== index) return state; // it was given up meanwhile
    if (!outcome.ok) {
      state.saveTimer?.cancel();
      state.leaving?.reply(true);
      return this.#giveUp("write", outcome.error, this.#options.openStoreIndex(), context);
    }
    const written = { ...state, isSaved: false };
    return index.rows.needsMerge ? this.#keep(written, context) : this.#saveLater(written, context);
  }

  /** Merges where that is worth while, else saves a snapshot; one at a time. */
  #keep(state: RetrieverState, context: Context): RetrieverState {
    const { residency } = this.#options;
    if (state.kind !== "resident" || residency === null) return state;
    if (state.isKept) return this.#saveLater(state, context);
    const { index } = state;
    const isMerge = index.rows.needsMerge && state.leaving === null; // saving merges, too
    context.pipe<unknown>(
      (signal) => (isMerge ? residency.merge(index, signal) : residency.save(index, signal)),
      (outcome) => ({ kind: "kept", index, isMerge, outcome }),
    );
    // What is written from now on is not in this snapshot.
    return { ...state, isKept: true, isSaved: !isMerge };
  }

  #kept(
    state: RetrieverState,
    { index, isMerge, outcome }: { readonly index: MemoryIndex; readonly isMerge: boolean; readonly outcome: Outcome<unknown> },
    context: Context,
  ): RetrieverState {
    if (state.kind !== "resident" || state.index !== index) return state; // it was let go meanwhile
    if (!outcome.ok) this.#trouble("keep", outcome.error);
    const kept = { ...state, isKept: false, isSaved: state.isSaved && outcome.ok && outcome.value !== false };
    // What was written meanwhile the store has as well, so it goes after one attempt to save it.
    if (kept.leaving !== null) return isMerge && outcome.ok ? this.#keep(kept, context) : this.#letGo(kept);
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
