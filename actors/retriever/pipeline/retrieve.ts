import { type KennelError, kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Role } from "../../coordinator/modes.ts";
import type { SearchOptions } from "../../vector_store/vector_store.ts";
import { cleanCandidates, type IndexCandidate } from "../fusion/ranked.ts";
import type { MaybePromise } from "../index/index.ts";
import { TimeLimit, within } from "./deadline.ts";
import type { BranchName } from "./plan.ts";
import type { SearchContext } from "./search_context.ts";

/** What a branch brought up, cleaned. */
export interface BranchAnswer {
  readonly branch: BranchName;
  readonly candidates: readonly IndexCandidate[];
  /** The model knows no word of the query, so it has no neighbours. */
  readonly isBlank: boolean;
}

const ROLE_OF: Readonly<Record<BranchName | "embed", Role>> = { embed: "embedding", vector: "vector_store", bm25: "lexical_index" };

/**
 * Phases 3 and 4, embed and retrieve: runs the planned branches side by side, each from the query to clean candidates. A
 * branch that fails is reported and not fatal.
 * @returns the answers in plan order, at least one
 * @throws KennelError the first branch's error when none has answered, nor the one that could stand in
 */
export async function retrieve(context: SearchContext): Promise<readonly BranchAnswer[]> {
  const { branches, fallback } = context.search.plan;
  const runs = branches.map((branch) => new BranchRun(context, branch));
  const answers = await settle(context, runs);
  // Without a known word the words themselves are all there is to search by.
  if (fallback !== null && answers.every(({ isBlank }) => isBlank)) {
    const standIn = new BranchRun(context, fallback);
    const stood = await settle(context, [standIn]);
    if (stood.length > 0) return stood;
    runs.push(standIn);
  }
  if (answers.length > 0) return answers;
  throw runs.find(({ error }) => error !== null)?.error ?? kennelError("unavailable");
}

/** Waits for the branches. As soon as one has answered, the others' time is cut to what they usually need. */
async function settle(context: SearchContext, runs: readonly BranchRun[]): Promise<readonly BranchAnswer[]> {
  const started = runs.map((run) => run.start());
  const hurryOthers = (answer: BranchAnswer | null): BranchAnswer | null => {
    if (answer !== null) for (const run of runs) if (run.branch !== answer.branch) run.hurry(patienceMs(context, run.branch));
    return answer;
  };
  const settled = runs.length === 1 ? [await started[0]] : await Promise.all(started.map(async (answer) => hurryOthers(await answer)));
  return settled.filter((answer): answer is BranchAnswer => answer !== null && answer !== undefined);
}

function patienceMs({ parts: { times, limits } }: SearchContext, branch: BranchName): number {
  const usualMs = (times.p95(branch) ?? 0) + (branch === "vector" ? (times.p95("embed") ?? 0) : 0);
  return Math.max(limits.minStragglerMs, usualMs * limits.stragglerFactor);
}

/** One branch of one query. */
class BranchRun {
  readonly branch: BranchName;
  readonly #context: SearchContext;
  readonly #limit: TimeLimit;
  #stage: BranchName | "embed";
  #isEnded = false;
  error: KennelError | null = null;

  constructor(context: SearchContext, branch: BranchName) {
    const { clock, limits } = context.parts;
    this.branch = branch;
    this.#context = context;
    this.#stage = branch;
    this.#limit = new TimeLimit(clock, context.deadline.share(limits.retrieveShare), context.signal);
  }

  /** Null: it failed; `error` and the context know why. */
  start(): MaybePromise<BranchAnswer | null> {
    try {
      const found = this.#limit.run((signal) => (this.branch === "bm25" ? this.#searchText(signal) : this.#searchVector(signal)));
      if (!(found instanceof Promise)) return this.#answer(found);
      return found.then(
        (candidates) => this.#answer(candidates),
        (thrown) => this.#fail(thrown),
      );
    } catch (thrown) {
      return this.#fail(thrown);
    }
  }

  hurry(limitMs: number): void {
    if (!this.#isEnded) this.#limit.shorten(limitMs);
  }

  #searchText(signal: AbortSignal): MaybePromise<readonly IndexCandidate[] | null> {
    const { index, search } = this.#context;
    return this.#timed(() => index.searchText(search.request.query ?? "", this.#options(), signal));
  }

  #searchVector(signal: AbortSignal): MaybePromise<readonly IndexCandidate[] | null> {
    const { index, search } = this.#context;
    const own = search.request.vector;
    return own === null ? this.#embedAndSearch(signal) : this.#timed(() => index.searchVector(own, this.#options(), signal));
  }

  /** Null: the model knows no word of the query. */
  async #embedAndSearch(signal: AbortSignal): Promise<readonly IndexCandidate[] | null> {
    const { parts, deadline, search, index } = this.#context;
    this.#stage = "embed";
    const startedMs = parts.clock.monotonicMs();
    const query = search.request.query ?? "";
    const [vector] = await within(parts.clock, deadline.share(parts.limits.embedShare), signal, (limited) =>
      parts.model.embed([query], "query", limited),
    );
    this.#context.took("embed", startedMs);
    this.#stage = "vector";
    if (vector === null || vector === undefined) return null;
    return this.#timed(() => index.searchVector(vector, this.#options(), signal));
  }

  #timed(work: () => MaybePromise<readonly IndexCandidate[]>): MaybePromise<readonly IndexCandidate[]> {
    const startedMs = this.#context.parts.clock.monotonicMs();
    const done = (found: readonly IndexCandidate[]) => {
      this.#context.took(this.branch, startedMs);
      return found;
    };
    const found = work();
    return found instanceof Promise ? found.then(done) : done(found);
  }

  #options(): SearchOptions {
    const { request, notBeforeMs } = this.#context.search;
    return { limit: Math.max(request.candidateK, request.topK), filter: request.filter, notBeforeMs };
  }

  #answer(found: readonly IndexCandidate[] | null): BranchAnswer {
    this.#isEnded = true;
    const { clean, dropped } = cleanCandidates(found ?? []);
    if (dropped > 0) this.#context.parts.metrics.count("candidate_dropped", dropped);
    if (this.#context.search.request.explain) this.#context.explain[this.branch] = { candidates: clean.length, dropped };
    return { branch: this.branch, candidates: clean, isBlank: found === null };
  }

  #fail(thrown: unknown): BranchAnswer | null {
    this.#isEnded = true;
    const error = toKennelError(thrown);
    // A collection into which nothing was put yet need not have an index.
    if (error.code === "not_found" && this.#context.search.isEmpty) return this.#answer([]);
    this.error = error;
    if (!this.#context.signal.aborted) this.#context.degrade(this.#stage, error.code, ROLE_OF[this.#stage]);
    return null;
  }
}
