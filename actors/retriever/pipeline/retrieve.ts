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

/** What became of the query's text in the model: a vector, or null where it knows no word of it. */
export type Embedded = { readonly ok: true; readonly vector: Float32Array | null } | { readonly ok: false; readonly error: KennelError };

const ROLE_OF: Readonly<Record<BranchName | "embed", Role>> = { embed: "embedding", vector: "vector_store", bm25: "lexical_index" };

/**
 * Phases 3 and 4, embed and retrieve: runs the planned branches side by side, each from the query to clean candidates. A
 * branch that fails is reported and not fatal.
 * @returns the answers in plan order, at least one
 * @throws KennelError the first branch's error when none has answered, nor the one that could stand in
 */
export async function retrieve(context: SearchContext): Promise<readonly BranchAnswer[]> {
  const runs = context.search.plan.branches.map((branch) => new BranchRun(context, branch, null));
  const answers = await settle(context, runs);
  const standIn = standInFor(context, answers, null);
  if (standIn === null) return atLeastOne(answers, runs);
  const stood = await settle(context, [standIn]);
  return atLeastOne(stood.length > 0 ? stood : answers, [...runs, standIn]);
}

/** The same over an index that answers at once, when the query's text has been embedded: within one turn. */
export function retrieveAtOnce(context: SearchContext, embedded: Embedded | null): readonly BranchAnswer[] {
  const runs = context.search.plan.branches.map((branch) => new BranchRun(context, branch, embedded));
  const answers = present(runs.map((run) => run.startAtOnce()));
  const standIn = standInFor(context, answers, embedded);
  if (standIn === null) return atLeastOne(answers, runs);
  const stood = present([standIn.startAtOnce()]);
  return atLeastOne(stood.length > 0 ? stood : answers, [...runs, standIn]);
}

/** Phase 3 alone. Null: the plan needs no embedding. Never rejects. */
export async function embedQuery(context: SearchContext): Promise<Embedded | null> {
  const { plan, request } = context.search;
  if (request.vector !== null || !plan.branches.includes("vector")) return null;
  try {
    return { ok: true, vector: await embed(context, context.signal) };
  } catch (thrown) {
    return { ok: false, error: toKennelError(thrown) };
  }
}

async function embed({ parts, deadline, search, took }: SearchContext, signal: AbortSignal): Promise<Float32Array | null> {
  const startedMs = parts.clock.monotonicMs();
  const query = search.request.query ?? "";
  const [vector] = await within(parts.clock, deadline.share(parts.limits.embedShare), signal, (limited) =>
    parts.model.embed([query], "query", limited),
  );
  took("embed", startedMs);
  return vector ?? null;
}

/** Without a known word the words themselves are all there is to search by; without an answer anything is better. */
function standInFor(context: SearchContext, answers: readonly BranchAnswer[], embedded: Embedded | null): BranchRun | null {
  const { fallback } = context.search.plan;
  return fallback !== null && answers.every(({ isBlank }) => isBlank) ? new BranchRun(context, fallback, embedded) : null;
}

function atLeastOne(answers: readonly BranchAnswer[], runs: readonly BranchRun[]): readonly BranchAnswer[] {
  if (answers.length > 0) return answers;
  throw runs.find(({ error }) => error !== null)?.error ?? kennelError("unavailable");
}

function present(answers: readonly (BranchAnswer | null)[]): readonly BranchAnswer[] {
  return answers.filter((answer) => answer !== null);
}

/** Waits for the branches. As soon as one has answered, the others' time is cut to what they usually need. */
async function settle(context: SearchContext, runs: readonly BranchRun[]): Promise<readonly BranchAnswer[]> {
  const started = runs.map((run) => run.start());
  const hurryOthers = (answer: BranchAnswer | null): BranchAnswer | null => {
    if (answer !== null) for (const run of runs) if (run.branch !== answer.branch) run.hurry(patienceMs(context, run.branch));
    return answer;
  };
  return present(await Promise.all(started.map(async (answer) => hurryOthers(await answer))));
}

function patienceMs({ parts: { times, limits } }: SearchContext, branch: BranchName): number {
  const usualMs = (times.p95(branch) ?? 0) + (branch === "vector" ? (times.p95("embed") ?? 0) : 0);
  return Math.max(limits.minStragglerMs, usualMs * limits.stragglerFactor);
}

/** One branch of one query. */
class BranchRun {
  readonly branch: BranchName;
  readonly #context: SearchContext;
  /** The query's text was embedded before; null: the branch sees to it. */
  readonly #embedded: Embedded | null;
  #limit: TimeLimit | null = null;
  #stage: BranchName | "embed";
  #isEnded = false;
  error: KennelError | null = null;

  constructor(context: SearchContext, branch: BranchName, embedded: Embedded | null) {
    this.branch = branch;
    this.#context = context;
    this.#embedded = embedded;
    this.#stage = branch;
  }

  /** Null: it failed; `error` and the context know why. */
  start(): MaybePromise<BranchAnswer | null> {
    const { parts, deadline, signal } = this.#context;
    this.#limit = new TimeLimit(parts.clock, deadline.share(parts.limits.retrieveShare), signal);
    try {
      const found = this.#limit.run((limited) => this.#find(limited));
      if (!(found instanceof Promise)) return this.#answer(found);
      return found.then(
        (candidates) => this.#answer(candidates),
        (thrown) => this.#fail(thrown),
      );
    } catch (thrown) {
      return this.#fail(thrown);
    }
  }

  startAtOnce(): BranchAnswer | null {
    try {
      const found = this.#find(this.#context.signal);
      if (found instanceof Promise) throw new TypeError("An index that answers at once has made its caller wait");
      return this.#answer(found);
    } catch (thrown) {
      return this.#fail(thrown);
    }
  }

  hurry(limitMs: number): void {
    if (!this.#isEnded) this.#limit?.shorten(limitMs);
  }

  /** Null: the model knows no word of the query. */
  #find(signal: AbortSignal): MaybePromise<readonly IndexCandidate[] | null> {
    const { index, search } = this.#context;
    if (this.branch === "bm25") return this.#timed(() => index.searchText(search.request.query ?? "", this.#options(), signal));
    if (search.request.vector !== null) return this.#near(search.request.vector, signal);
    if (this.#embedded === null) return this.#embedAndFind(signal);
    this.#stage = "embed";
    if (!this.#embedded.ok) throw this.#embedded.error;
    this.#stage = "vector";
    return this.#embedded.vector === null ? null : this.#near(this.#embedded.vector, signal);
  }

  async #embedAndFind(signal: AbortSignal): Promise<readonly IndexCandidate[] | null> {
    this.#stage = "embed";
    const vector = await embed(this.#context, signal);
    this.#stage = "vector";
    return vector === null ? null : this.#near(vector, signal);
  }

  #near(vector: Float32Array, signal: AbortSignal): MaybePromise<readonly IndexCandidate[]> {
    return this.#timed(() => this.#context.index.searchVector(vector, this.#options(), signal));
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
    const { index, parts, search, explain } = this.#context;
    // Our own index's lists are what they should be; a store's may be anything.
    const { clean, dropped } = index.kind === "resident" ? { clean: found ?? [], dropped: 0 } : cleanCandidates(found ?? []);
    if (dropped > 0) parts.metrics.count("candidate_dropped", dropped);
    if (search.request.explain) explain[this.branch] = { candidates: clean.length, dropped };
    return { branch: this.branch, candidates: clean, isBlank: found === null };
  }

  #fail(thrown: unknown): BranchAnswer | null {
    this.#isEnded = true;
    const failure = toKennelError(thrown);
    const isMissing = failure.code === "not_found";
    // A collection into which nothing was put yet need not have an index; one with documents has lost it.
    if (isMissing && this.#context.search.isEmpty) return this.#answer([]);
    const error = isMissing ? kennelError("unavailable", { message: "The collection's index is missing", cause: thrown }) : failure;
    this.error = error;
    if (!this.#context.signal.aborted) this.#context.degrade(this.#stage, error.code, ROLE_OF[this.#stage]);
    return null;
  }
}
